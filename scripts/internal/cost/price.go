package main

import (
	"fmt"
	"os"

	"github.com/goccy/go-yaml"
)

// prices is the price file, in US dollars.
type prices struct {
	Date   string `yaml:"date"`
	Region string `yaml:"region"`

	HTTPAPIMillion     float64 `yaml:"http-api-million"`
	LambdaMillion      float64 `yaml:"lambda-million"`
	LambdaGBSecond     float64 `yaml:"lambda-gb-second"`
	TableReadMillion   float64 `yaml:"table-read-million"`
	TableWriteMillion  float64 `yaml:"table-write-million"`
	TableGBMonth       float64 `yaml:"table-gb-month"`
	TableBackupGBMonth float64 `yaml:"table-backup-gb-month"`
	S3WriteThousand    float64 `yaml:"s3-write-thousand"`
	S3ReadThousand     float64 `yaml:"s3-read-thousand"`
	S3GBMonth          float64 `yaml:"s3-gb-month"`
	EventsMillion      float64 `yaml:"events-million"`
	LogsGB             float64 `yaml:"logs-gb"`
	ECRGBMonth         float64 `yaml:"ecr-gb-month"`

	Assumed assumptions `yaml:"assumed"`
}

// assumptions stand for what only a bill of AWS could tell.
type assumptions struct {
	MemoryMB     float64 `yaml:"memory-mb"`
	RequestMS    float64 `yaml:"request-ms"`
	TableReadMS  float64 `yaml:"table-read-ms"`
	TableWriteMS float64 `yaml:"table-write-ms"`
	S3MS         float64 `yaml:"s3-ms"`
	S3MBPerS     float64 `yaml:"s3-mb-per-s"`
	LogBytes     float64 `yaml:"log-bytes"`
	CopyMBPerS   float64 `yaml:"copy-mb-per-s"`
	CopyMemoryMB float64 `yaml:"copy-memory-mb"`
}

func readPrices(file string) (prices, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return prices{}, fmt.Errorf("read the prices: %w", err)
	}
	var p prices
	if err := yaml.UnmarshalWithOptions(text, &p, yaml.Strict()); err != nil {
		return prices{}, fmt.Errorf("read the prices in %s: %w", file, err)
	}
	return p, nil
}

// of returns what a bill comes to.
func (p prices) of(b bill) float64 {
	return b.gateway/1e6*p.HTTPAPIMillion +
		b.invocations/1e6*p.LambdaMillion +
		p.seconds(b)*p.Assumed.MemoryMB/1024*p.LambdaGBSecond +
		p.waiting(b)*p.Assumed.CopyMemoryMB/1024*p.LambdaGBSecond +
		b.readUnits/1e6*p.TableReadMillion +
		b.writeUnits/1e6*p.TableWriteMillion +
		b.s3Writes/1e3*p.S3WriteThousand +
		b.s3Reads/1e3*p.S3ReadThousand +
		b.told/1e6*p.EventsMillion +
		b.invocations*p.Assumed.LogBytes/1e9*p.LogsGB
}

// seconds is how long functions are at work for a bill: the calls one after
// the other, as they are made.
func (p prices) seconds(b bill) float64 {
	a := p.Assumed
	ms := b.invocations*a.RequestMS + b.reads*a.TableReadMS + b.writes*a.TableWriteMS + b.s3Calls*a.S3MS
	return ms/1e3 + b.s3Bytes/1e6/a.S3MBPerS
}

// waiting is how long functions wait for S3 to copy what it is to sum up.
func (p prices) waiting(b bill) float64 { return b.copied / 1e6 / p.Assumed.CopyMBPerS }
