"""What no root reaches: found, waited for, removed."""
