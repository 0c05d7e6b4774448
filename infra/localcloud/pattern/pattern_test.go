package pattern

import "testing"

func TestPatterns(t *testing.T) {
	const event = `{
		"eventName": "MODIFY", "size": 7, "flag": true, "nothing": null,
		"dynamodb": {
			"Keys":     {"pk": {"S": "repo#a"}, "sk": {"S": "manifest#sha256:1"}},
			"NewImage": {"sk": {"S": "manifest#sha256:1"}, "tags": {"SS": ["v1", "latest"]}, "n": {"N": "5"}}
		}
	}`
	for text, want := range map[string]bool{
		`{"eventName":["MODIFY"]}`:          true,
		`{"eventName":["INSERT","MODIFY"]}`: true,
		`{"eventName":["modify"]}`:          false,
		`{"eventName":["MOD"]}`:             false,
		`{"size":[7]}`:                      true,
		`{"size":["7"]}`:                    false,
		`{"flag":[true]}`:                   true,
		`{"flag":[false]}`:                  false,
		`{"nothing":[null]}`:                true,
		`{"missing":[null]}`:                false,
		`{"nothing":[{"exists":true}]}`:     true,
		`{"missing":[{"exists":false}]}`:    true,
		`{"missing":[{"exists":true}]}`:     false,
		`{"dynamodb":[{"exists":true}]}`:    false, // not a leaf

		`{"dynamodb":{"OldImage":{"pk":{"S":[{"exists":false}]}}}}`:                        true,
		`{"dynamodb":{"NewImage":{"n":{"N":["5"]}}}}`:                                      true,
		`{"dynamodb":{"NewImage":{"n":{"N":[5]}}}}`:                                        false, // numbers are strings there
		`{"dynamodb":{"Keys":{"sk":{"S":[{"prefix":"manifest#"}]}}}}`:                      true,
		`{"dynamodb":{"Keys":{"sk":{"S":[{"prefix":"tag#"}]}}}}`:                           false,
		`{"dynamodb":{"Keys":{"sk":{"S":[{"prefix":"tag#"},{"prefix":"man"}]}}}}`:          true,
		`{"dynamodb":{"Keys":{"sk":{"S":[{"suffix":":1"}]},"pk":{"S":[{"prefix":"x"}]}}}}`: false,
		`{"eventName":["MODIFY"],"dynamodb":{"Keys":{"pk":{"S":[{"suffix":"a"}]}}}}`:       true,
		`{"eventName":["INSERT"],"dynamodb":{"Keys":{"pk":{"S":[{"suffix":"a"}]}}}}`:       false,
		`{"dynamodb":{"NewImage":{"tags":{"SS":["latest"]}}}}`:                             true,
		`{"dynamodb":{"NewImage":{"tags":{"SS":["v2"]}}}}`:                                 false,
		`{"eventName":[{"equals-ignore-case":"modify"}]}`:                                  true,
		`{"eventName":[{"anything-but":"MODIFY"}]}`:                                        false,
		`{"eventName":[{"anything-but":["INSERT","REMOVE"]}]}`:                             true,
		`{"eventName":[{"anything-but":["INSERT","MODIFY"]}]}`:                             false,
		`{"eventName":[{"anything-but":{"prefix":"MOD"}}]}`:                                false,
		`{"dynamodb":{"Keys":{"pk":{"S":[{"anything-but":{"prefix":"consumer#"}}]}}}}`:     true,
		`{"missing":[{"anything-but":"x"}]}`:                                               false,
		`{"size":[{"prefix":"7"}]}`:                                                        false,
		`{"$or":[{"eventName":["INSERT"]},{"size":[7]}]}`:                                  true,
		`{"$or":[{"eventName":["INSERT"]},{"size":[8]}]}`:                                  false,
		`{"$or":[{"eventName":["INSERT"]},{"size":[7]}],"flag":[false]}`:                   false,
	} {
		p, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := p.Fits([]byte(event)); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{}`, `{"a":"b"}`, `{"a":7}`, `{"a":[]}`, `{"a":{}}`, `{"a":[{}]}`,
		`{"a":[{"prefix":"x","suffix":"y"}]}`, `{"a":[{"prefix":7}]}`, `{"a":[{"exists":"yes"}]}`,
		`{"a":[{"numeric":[">",5]}]}`, `{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"a":[{"anything-but":{"cidr":"x"}}]}`,
		`{"$or":["a"]}`, `{"$or":[]}`,
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// Whatever is taken for a pattern can be asked of any event.
func FuzzPattern(f *testing.F) {
	f.Add(`{"detail":{"a":["b",{"exists":false}]}}`, `{"detail":{"a":["b"]}}`)
	f.Add(`{"$or":[{"a":[{"anything-but":{"prefix":"x"}}]},{"b":[null,1]}]}`, `{"a":"y"}`)
	f.Fuzz(func(t *testing.T, text, event string) {
		p, err := Parse(text)
		if err != nil && p.Fits([]byte(event)) {
			t.Errorf("%q is refused and fits %q", text, event)
		}
		if err == nil && p.Fits([]byte("{")) {
			t.Errorf("%q fits what is no JSON", text)
		}
	})
}
