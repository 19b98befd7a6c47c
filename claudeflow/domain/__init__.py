"""What things are: frozen values and enums. Standard library only, no I/O."""
