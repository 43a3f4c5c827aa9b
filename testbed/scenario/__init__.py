"""One YAML file is one question: its schema, its safe loader and its expansion into episode plans."""
