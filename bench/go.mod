module github.com/berthregistry/berth/bench

go 1.26.0
