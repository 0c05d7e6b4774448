package queue

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// MaxPayload is the largest event that nobody waits for, in bytes.
const MaxPayload = 1 << 20

// Handler is the API of Lambda by which functions are sent events. Find returns
// the queue of a function by its name. It does not ask who sends: a guard stands
// before it.
func Handler(find func(name string) (*Queue, bool)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-Requestid", uuid.NewString())
		w.Header().Set("Content-Type", "application/json")
		name := r.PathValue("name")
		q, ok := find(name[strings.LastIndexByte(name, ':')+1:]) // it may be an ARN
		payload, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload+1))
		switch {
		case !ok:
			refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+name)
		case r.Header.Get("X-Amz-Invocation-Type") != "Event":
			refuse(w, http.StatusNotImplemented, "UnknownOperationException", "localcloud invokes functions only by events that nobody waits for.")
		case len(payload) > MaxPayload:
			refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than 1048576 bytes for the InvokeFunction operation")
		case err != nil || !json.Valid(payload):
			refuse(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		default:
			q.Send(payload)
			w.WriteHeader(http.StatusAccepted)
		}
	})
	return mux
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Type": "User", "Message": text}) // whoever asked has gone
}
