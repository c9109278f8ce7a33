# Every target is one line that can be run without make.

.PHONY: test check bench update generate

test: ## the tests
	go test ./...

check: ## what has to hold before a change lands
	.ci/check

bench: ## the figures of docs/performance.md
	go test -run '^$$' -bench . -benchtime 2s ./access ./policy ./internal/source
	go test -run '^$$' -bench . -benchtime 20x ./sandbox ./cmd/keyreach
	go test -run '^$$' -bench . -benchtime 5x ./lint

update: ## write the golden parts of the command scripts anew
	go test ./cmd/keyreach -update

generate: ## fetch the table of KMS actions and condition keys anew
	go generate ./awsfacts
