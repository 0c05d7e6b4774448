module github.com/berthregistry/berth/e2e

go 1.26.0
