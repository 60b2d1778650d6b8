"""From targets and live orders to the fewest actions."""
