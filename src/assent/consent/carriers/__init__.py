"""Strings in which a consent management platform hands over what somebody chose: IAB's TCF and GPP.

`bits` and `numbers` read, `tcf` and `gpp` say what a string holds, `shown` gives it the specification's
names, `tcf_statements` and `gpp_statements` make ordinary statements of it by the policy. All of it is pure.
"""
