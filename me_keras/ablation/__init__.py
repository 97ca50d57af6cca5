"""One table of what each part of FRL-DGT is worth: a run for each switch, beside the full model.

`grid` declares the rows, `options` what of it is asked for, `run` trains and compares, `report`
writes and shows the table.
"""
