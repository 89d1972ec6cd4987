# The commands people type. Everything they need is installed by dev/install into .local/.

.PHONY: demo test lint bench

# setup, a dead task, its Slack message, drift, repair, teardown: on a local AWS. KEEP=1 leaves it running.
demo:
	@KEEP=$(KEEP) dev/demo

# Unit tests, engine laws, the notifier's own tests, and end to end on ministack and moto.
test:
	dev/install
	node --test lambda/test/*.test.mjs
	dev/local-aws ministack -- node --test lambda/test/local/*.test.mjs
	cargo test --locked

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Round trips and calls beside a hand-written script; sizes and start-up.
bench:
	dev/install
	cargo build --locked --release
	bench/run
