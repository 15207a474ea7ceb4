"""How things are built: one module or package for each concern. Knows no site by name, and reads no YAML."""
