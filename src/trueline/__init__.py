"""trueline brings a language model into true and proves that it stays there.

Models answer prompts; labellers answer questions about those answers; preferences, rewards and
scores are computed from the labels by named, stored rules.  The rooms, in the order in which data
walks through them: records, policy, statistics, ledger, models, flow, labellers, build, train,
evaluate, release, report, cli.
"""

__version__ = "0.1.0"
