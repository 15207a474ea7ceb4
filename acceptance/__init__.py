"""The acceptance check `python -m acceptance STACK`: it compares a stack's answers with the references."""
