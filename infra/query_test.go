package infra_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/requestlog"
)

// words of the query language, and of the names that a query gives itself.
var queryWords = strings.Fields("filter and stats count sum as by sort desc limit ispresent pulls bytes_from_bucket timestamp request audit GET")

// A query asks for what the lines have. Nothing would say that a field is
// misspelt: it would just be empty.
func TestQueriesAskForWhatIsLogged(t *testing.T) {
	var log bytes.Buffer
	requestlog.New(slog.New(slog.NewJSONHandler(&log, nil))).Write(t.Context(), distribution.Exchange{
		Method: http.MethodGet, Route: "manifest", Repo: "team/app", Ref: "v1", Tag: "v1", Pull: true,
		Status: http.StatusOK, Bytes: 400, Redirected: 5 << 20,
		Principal: "robot:ci", Action: "pull", Rule: "releases", Address: "192.0.2.1", Denied: true, // so that it is audited
	})
	for _, name := range []string{"PullsByTag", "Audit"} {
		query := read(t, "../template.yaml").Resources[name].Properties["QueryString"].(string)
		message := regexp.MustCompile(`msg = "(\w+)"`).FindStringSubmatch(query)[1]
		line := lineOf(t, log.Bytes(), message)
		for _, word := range regexp.MustCompile(`[A-Za-z_]+`).FindAllString(query, -1) {
			if _, ok := line[word]; !ok && !slices.Contains(queryWords, word) {
				t.Errorf("%s asks for %s, and a line is %v", name, word, line)
			}
		}
	}
}

// lineOf returns the line with a message.
func lineOf(t *testing.T, log []byte, message string) map[string]any {
	t.Helper()
	for text := range bytes.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] == message {
			return line
		}
	}
	t.Fatalf("no line %q in %s", message, log)
	return nil
}
