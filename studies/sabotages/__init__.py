"""Parts that no config can switch off, each as a sabotage: one file a family, each a few lines."""
