"""Pure quoting mathematics: estimates in, prices and sizes out. No orders, no clock, no venue."""
