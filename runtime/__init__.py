"""Where the outside begins: journal, drivers, safety net, config, logs."""
