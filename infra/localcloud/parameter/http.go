package parameter

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// maxRequest is more than any request that is taken needs, in bytes.
const maxRequest = 64 << 10

const target = "AmazonSSM."

// ServeHTTP answers an operation, which is named by the header X-Amz-Target.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	var result any
	var err error
	switch name := r.Header.Get("X-Amz-Target"); {
	case r.Method != http.MethodPost || r.URL.Path != "/":
		err = failure{"UnknownOperationException", "POST to / is all there is."}
	case name == target+"GetParameter":
		result, err = s.getParameter(body)
	case name == target+"PutParameter":
		result, err = s.putParameter(body)
	default:
		err = failure{"UnknownOperationException", "localcloud does not know " + name + "."}
	}
	answer(w, result, err)
}

func (s *Store) putParameter(body *json.Decoder) (any, error) {
	var p put
	if err := body.Decode(&p); err != nil {
		return nil, failure{"SerializationException", "The body is not understood."}
	}
	number, err := s.put(p)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Version": number, "Tier": "Standard"}, nil
}

func (s *Store) getParameter(body *json.Decoder) (any, error) {
	var asked struct {
		Name           string
		WithDecryption bool
	}
	if err := body.Decode(&asked); err != nil {
		return nil, failure{"SerializationException", "The body is not understood."}
	}
	name, v, err := s.get(asked.Name)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Parameter": map[string]any{
		"ARN": s.arn(name), "DataType": "text", "Name": name, "Type": v.kind,
		"Value": v.shown(asked.WithDecryption), "Version": v.number,
		"LastModifiedDate": float64(v.at.UnixMilli()) / float64(time.Second/time.Millisecond),
	}}, nil
}

// answer writes a result, or an error as SSM does: always 400.
func answer(w http.ResponseWriter, result any, err error) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		var f failure
		if !errors.As(err, &f) {
			f = failure{"InternalServerError", "Internal server error"}
		}
		result = map[string]string{"__type": f.code, "message": f.text}
		w.WriteHeader(http.StatusBadRequest)
	}
	_ = json.NewEncoder(w).Encode(result) // who asked has gone
}
