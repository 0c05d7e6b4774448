package blobstest

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
)

// A LifecycleRule is one of a bucket's, of those kinds that Berth needs. Zero
// days are never.
type LifecycleRule struct {
	ID                              string
	Prefix                          string
	Tags                            map[string]string
	Current, Noncurrent, Incomplete int // days
}

// LifecycleRules reads the rules of the bucket in a template, infra/state.yaml,
// for a registry that can be restored so many days back. A rule that is not
// understood is an error.
func LifecycleRules(template string, recovery int) ([]LifecycleRule, error) {
	text, err := os.ReadFile(template)
	if err != nil {
		return nil, fmt.Errorf("read lifecycle rules: %w", err)
	}
	at, err := yaml.PathString("$.Resources.Bucket.Properties.LifecycleConfiguration.Rules")
	if err != nil {
		return nil, fmt.Errorf("read lifecycle rules: %w", err)
	}
	node, err := at.ReadNode(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read lifecycle rules of %s: %w", template, err)
	}
	var written []writtenRule
	if err := yaml.NodeToValue(node, &written, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read lifecycle rules of %s: %w", template, err)
	}
	var rules []LifecycleRule
	for _, w := range written {
		r, err := w.rule(recovery)
		if err != nil {
			return nil, fmt.Errorf("lifecycle rule %s of %s: %w", w.ID, template, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// writtenRule is a rule in the words of CloudFormation.
type writtenRule struct {
	ID         string `yaml:"Id"`
	Status     string `yaml:"Status"`
	Prefix     string `yaml:"Prefix"`
	TagFilters []struct {
		Key   string `yaml:"Key"`
		Value string `yaml:"Value"`
	} `yaml:"TagFilters"`
	ExpirationInDays          int  `yaml:"ExpirationInDays"`
	ExpiredObjectDeleteMarker bool `yaml:"ExpiredObjectDeleteMarker"` // there are none here
	Noncurrent                struct {
		Days any `yaml:"NoncurrentDays"`
	} `yaml:"NoncurrentVersionExpiration"`
	Abort struct {
		Days int `yaml:"DaysAfterInitiation"`
	} `yaml:"AbortIncompleteMultipartUpload"`
}

func (w writtenRule) rule(recovery int) (LifecycleRule, error) {
	r := LifecycleRule{ID: w.ID, Prefix: w.Prefix, Tags: map[string]string{}, Current: w.ExpirationInDays, Incomplete: w.Abort.Days}
	for _, tag := range w.TagFilters {
		r.Tags[tag.Key] = tag.Value
	}
	if w.Status != "Enabled" {
		return r, fmt.Errorf("its status is %q", w.Status)
	}
	// S3 takes no rule that aborts uploads by tag: they have none yet.
	if len(r.Tags) > 0 && (r.Incomplete > 0 || w.ExpiredObjectDeleteMarker) {
		return r, errors.New("it goes by tag, of what has none")
	}
	var err error
	r.Noncurrent, err = days(w.Noncurrent.Days, recovery)
	return r, err
}

// days reads a number, or !If [Recoverable, !Ref Recovery, otherwise].
func days(written any, recovery int) (int, error) {
	switch n := written.(type) {
	case nil:
		return 0, nil
	case uint64:
		return int(n), nil
	case []any:
		if len(n) != 3 || n[0] != "Recoverable" || n[1] != "Recovery" {
			break
		}
		if recovery > 0 {
			return recovery, nil
		}
		return days(n[2], recovery)
	}
	return 0, fmt.Errorf("%v is no number of days", written)
}
