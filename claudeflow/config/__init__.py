"""Configuration: TOML → one frozen value. The only package that sees every setting.

The settings of a part live beside that part. All mistakes are reported at once, each with its key
path, what was found and what is allowed. Secrets do not belong here: see `api_key`.
"""

from __future__ import annotations

from claudeflow.config.loading import (
    KEY_CREDENTIAL,
    KEY_VARIABLE,
    api_key,
    load_config,
    load_prices,
    parse_config,
)
from claudeflow.config.settings import (
    Config,
    DaemonSettings,
    PriceSettings,
    PromptSettings,
    SocketSettings,
    StoreSettings,
)
from claudeflow.config.text import as_dict, to_toml

__all__ = [
    "KEY_CREDENTIAL",
    "KEY_VARIABLE",
    "Config",
    "DaemonSettings",
    "PriceSettings",
    "PromptSettings",
    "SocketSettings",
    "StoreSettings",
    "api_key",
    "as_dict",
    "load_config",
    "load_prices",
    "parse_config",
    "to_toml",
]
