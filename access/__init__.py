"""The way from a site's facts to its cluster. It depends on the person who deploys, and is no configuration."""
