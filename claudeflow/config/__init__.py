"""Configuration: TOML → one frozen value. The only package that sees every setting.

The settings of a part live beside that part. All mistakes are reported at once, each with its key
path, what was found and what is allowed. Secrets do not belong here: see `find_key`.
"""

from __future__ import annotations

from claudeflow.config.keys import (
    ADMIN_KEY_CREDENTIAL,
    ADMIN_KEY_VARIABLE,
    KEY_CREDENTIAL,
    KEY_VARIABLE,
    FoundKey,
    find_admin_key,
    find_key,
)
from claudeflow.config.loading import (
    config_of,
    load_config,
    load_prices,
    own_price_ids,
    parse_config,
    shipped_prices,
    sound_parts,
)
from claudeflow.config.settings import (
    Config,
    DaemonSettings,
    PriceSettings,
    PromptSettings,
    SocketSettings,
    StoreSettings,
)
from claudeflow.config.tables import parse_toml, read_text
from claudeflow.config.text import as_dict, to_toml

__all__ = [
    "ADMIN_KEY_CREDENTIAL",
    "ADMIN_KEY_VARIABLE",
    "KEY_CREDENTIAL",
    "KEY_VARIABLE",
    "Config",
    "DaemonSettings",
    "FoundKey",
    "PriceSettings",
    "PromptSettings",
    "SocketSettings",
    "StoreSettings",
    "as_dict",
    "config_of",
    "find_admin_key",
    "find_key",
    "load_config",
    "load_prices",
    "own_price_ids",
    "parse_config",
    "parse_toml",
    "read_text",
    "shipped_prices",
    "sound_parts",
    "to_toml",
]
