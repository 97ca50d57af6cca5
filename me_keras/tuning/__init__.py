"""Search over the options of `me_keras.loso` that cannot see the subjects it is judged on.

`plan` reads the data, `space` declares what is searched, `scopes` which clips a search may see,
`oracles` which trial comes next, `trials` trains one; `search` runs them all, `report` evaluates
what was found, `tables` and `figures` show it.
"""
