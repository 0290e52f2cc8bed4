"""From reports to what people see: tables and sentences."""
