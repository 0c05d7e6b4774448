package stream

import (
	"bytes"
	"encoding/json"
	"slices"
)

// judge says from which record on a run failed: len(records) is success. whole
// is set if the function failed, or its report can't be used: then nothing is
// known of single records.
func (m *Mapping) judge(a Answer, records []record) (from int, whole bool) {
	if a.Failed {
		return 0, true
	}
	if !m.ReportBatchItemFailures {
		return len(records), false
	}
	failures, ok := report(a.Payload)
	if !ok {
		return 0, true
	}
	from = len(records)
	for _, sequence := range failures {
		i := slices.IndexFunc(records, func(r record) bool { return r.sequence == sequence })
		if i < 0 {
			return 0, true // it speaks of what it was not handed
		}
		from = min(from, i)
	}
	return from, false
}

// report reads which items a function names as failed. No answer, null, {} and
// an empty or missing list name none. What is no such report is not ok; neither
// is an item without an identifier. The names are compared letter by letter,
// which a decoder into a struct would not do.
func report(payload []byte) (sequences []string, ok bool) {
	if len(bytes.TrimSpace(payload)) == 0 {
		return nil, true
	}
	var answer map[string]json.RawMessage
	if json.Unmarshal(payload, &answer) != nil {
		return nil, false
	}
	list, ok := answer["batchItemFailures"]
	if !ok {
		return nil, true
	}
	var items []map[string]any
	if json.Unmarshal(list, &items) != nil {
		return nil, false
	}
	for _, item := range items {
		sequence, _ := item["itemIdentifier"].(string)
		if sequence == "" {
			return nil, false
		}
		sequences = append(sequences, sequence)
	}
	return sequences, true
}
