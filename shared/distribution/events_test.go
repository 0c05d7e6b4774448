package distribution_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/distribution"
	"github.com/berthregistry/berth/shared/registry"
)

const eventsPath = "/v2/public/app/_berth/v1/events"

// A teller is a server that tells events, and what it tells them from.
type teller struct {
	*server
	log     *announce.Log
	handler http.Handler
}

func tell(t testing.TB, o distribution.Options) teller {
	t.Helper()
	items, objects := newStores(t)
	kept := announce.NewLog(items, time.Now)
	o.Events = kept
	h := distribution.New(registry.New(items, objects, registry.Options{}), o)
	return teller{serveHandler(t, h), kept, h}
}

// happens tells of tags, whose names are the ids of the events as well.
func (s teller) happens(kind string, tags ...string) {
	s.Helper()
	var events []announce.Event
	for _, tag := range tags {
		events = append(events, announce.Event{
			SpecVersion: "1.0", ID: tag, Type: announce.TypePrefix + kind, Subject: "public/app:" + tag, Data: json.RawMessage(`{"tag":"<` + tag + `>"}`),
		})
	}
	if err := s.log.Publish(s.Context(), events); err != nil {
		s.Error(err)
	}
}

// A page is what pages of events are.
type eventsPage struct {
	Events []announce.Event
	Next   string
	More   bool
}

func (s teller) page(query string, header ...string) (eventsPage, answer) {
	s.Helper()
	a := s.get(eventsPath+query, header...)
	s.want(a, http.StatusOK, "")
	var p eventsPage
	if err := json.Unmarshal(a.body, &p); err != nil || p.Events == nil || p.Next == "" {
		s.Fatalf("page %s: %v", a.body, err)
	}
	if got := a.get("Content-Type"); got != "application/json" {
		s.Errorf("Content-Type %q", got)
	}
	if got := a.get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control %q", got)
	}
	return p, a
}

func (p eventsPage) ids() (ids []string) {
	for _, e := range p.Events {
		ids = append(ids, e.ID)
	}
	return ids
}

func wantIDs(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPagesOfEvents(t *testing.T) {
	s := tell(t, distribution.Options{})
	nothing, _ := s.page("")
	wantIDs(t, nothing.ids())
	s.happens("tag.created", "1", "2", "3")
	s.happens("tag.moved", "4")

	now, _ := s.page("") // from here on
	wantIDs(t, now.ids())
	none, a := s.page("?after=" + now.Next)
	wantIDs(t, none.ids())
	if none.Next != now.Next || none.More || a.get("Retry-After") != "" {
		t.Errorf("after all: next %s of %s, more %t, Retry-After %q", none.Next, now.Next, none.More, a.get("Retry-After"))
	}
	s.happens("tag.deleted", "5")
	for query, want := range map[string][]string{
		"?after=" + now.Next:      {"5"},
		"?after=" + nothing.Next:  {"1", "2", "3", "4", "5"},
		"?after=0":                {"1", "2", "3", "4", "5"},
		"?after=0&n=2":            {"1", "2"},
		"?after=0&n=99999":        {"1", "2", "3", "4", "5"},
		"?after=0&type=tag.moved": {"4"},
		"?after=0&type=dev.berth.tag.moved&type=tag.deleted": {"4", "5"},
		"?after=0&type=tag":           {"1", "2", "3", "4", "5"},
		"?after=0&type=ta":            nil,
		"?after=0&type=referrer":      nil,
		"?after=0&type=tag.moved&n=1": {"4"},
		"?after=" + strconv.FormatInt(time.Now().UnixMicro(), 10):      nil,
		"?after=" + fmt.Sprint(time.Now().Add(-time.Hour).UnixMicro()): {"1", "2", "3", "4", "5"},
	} {
		got, _ := s.page(query)
		if !slices.Equal(got.ids(), want) {
			t.Errorf("%s: got %q, want %q", query, got.ids(), want)
		}
	}
	elsewhere := s.get("/v2/public/other/_berth/v1/events?after=0")
	if got := string(elsewhere.body); got != `{"events":[],"next":"0","more":false}` {
		t.Errorf("another repository: %s", got)
	}
	// An event is passed on as it was told.
	got, a := s.page("?after=0&n=1")
	if data := string(got.Events[0].Data); data != `{"tag":"<1>"}` || !strings.Contains(string(a.body), data) {
		t.Errorf("data %s in %s", data, a.body)
	}
}

// Whoever follows the pages gets all, whatever is asked for.
func TestEventsPageByPage(t *testing.T) {
	s := tell(t, distribution.Options{})
	var all, moved []string
	for i := range 20 {
		s.happens("tag.created", fmt.Sprint(3*i), fmt.Sprint(3*i+1))
		s.happens("tag.moved", fmt.Sprint(3*i+2))
		all = append(all, fmt.Sprint(3*i), fmt.Sprint(3*i+1), fmt.Sprint(3*i+2))
		moved = append(moved, fmt.Sprint(3*i+2))
	}
	for query, want := range map[string][]string{"&n=1": all, "&n=7": all, "": all, "&type=tag.moved&n=3": moved} {
		var got []string
		next := "0"
		for pages := 0; ; pages++ {
			p, _ := s.page("?after=" + next + query)
			got, next = append(got, p.ids()...), p.Next
			if !p.More {
				break
			}
			if len(p.Events) == 0 && pages > 100 {
				t.Fatal("pages lead nowhere")
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

// A page has a MiB, whatever n is, and an event that is larger than what is left
// comes with the next.
func TestAPageOfEventsIsBounded(t *testing.T) {
	s := tell(t, distribution.Options{})
	large := json.RawMessage(`"` + strings.Repeat("x", 180<<10) + `"`)
	for i := range 14 {
		e := announce.Event{ID: fmt.Sprint(i), Type: announce.TypePrefix + "tag.moved", Subject: "public/app", Data: large}
		if err := s.log.Publish(t.Context(), []announce.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for next, more := "0", true; more; {
		p, a := s.page("?n=1000&after=" + next)
		if len(a.body) > 1<<20+100 {
			t.Errorf("a page of %d bytes", len(a.body))
		}
		got, next, more = append(got, p.ids()...), p.Next, p.More
	}
	if len(got) != 14 {
		t.Errorf("got %q", got)
	}
}

func TestQueriesOfEvents(t *testing.T) {
	s := tell(t, distribution.Options{})
	for _, query := range []string{
		"after=", "after=-1", "after=x", "after=1.5", "after=12345678901234567", "after=%00",
		"n=0", "n=-1", "n=x", "type=", "type=dev.berth.", "type=Tag", "type=tag%0a", "type=" + strings.Repeat("a", 65),
		strings.Repeat("type=tag&", 17),
	} {
		s.want(s.get(eventsPath+"?"+query), http.StatusBadRequest, "UNSUPPORTED")
	}
	s.want(s.get(eventsPath, "Last-Event-Id", "x"), http.StatusBadRequest, "UNSUPPORTED")
	a := s.do("POST", eventsPath, nil)
	s.want(a, http.StatusMethodNotAllowed, "UNSUPPORTED")
	if a.get("Allow") != "GET" {
		t.Errorf("Allow %q", a.get("Allow"))
	}
	s.want(s.get("/v2/Public/_berth/v1/events"), http.StatusBadRequest, "NAME_INVALID")
}

func TestEventsAreAnExtension(t *testing.T) {
	const discover = "/v2/public/app/_oci/ext/discover"
	with, without := tell(t, distribution.Options{}), serve(t, registry.Options{})
	without.want(without.get(eventsPath), http.StatusNotFound, "UNSUPPORTED")
	if a := without.get(discover); string(a.body) != `{"extensions":[]}` {
		t.Errorf("without events: %s", a.body)
	}
	var found struct {
		Extensions []struct {
			Name, URL string
			Endpoints []string
		}
	}
	a := with.get(discover)
	if err := json.Unmarshal(a.body, &found); err != nil || len(found.Extensions) != 1 {
		t.Fatalf("%v: %s", err, a.body)
	}
	x := found.Extensions[0]
	if x.Name != "_berth" || !strings.HasSuffix(x.URL, "/docs/events.md") || !slices.Equal(x.Endpoints, []string{"_berth/v1/events"}) {
		t.Errorf("got %+v", x)
	}
}

// A door that holds answers back gets pages, also for who wants a stream, and
// says when to come again.
func TestEventsThroughADoorThatHoldsBack(t *testing.T) {
	s := tell(t, distribution.Options{Door: distribution.Door{Poll: 5 * time.Second, Headless: true}})
	s.happens("tag.created", "1", "2")
	got, a := s.page("?after=0&n=1", "Accept", "text/event-stream")
	wantIDs(t, got.ids(), "1")
	if a.get("Retry-After") != "" {
		t.Errorf("there is more, and Retry-After is %q", a.get("Retry-After"))
	}
	got, a = s.page("?after="+got.Next, "Accept", "text/event-stream")
	wantIDs(t, got.ids(), "2")
	if a.get("Retry-After") != "5" {
		t.Errorf("Retry-After %q, want 5", a.get("Retry-After"))
	}
	s.want(s.head(eventsPath), http.StatusMethodNotAllowed, "")
}

// Who pushes to a public repository is not for everybody to know.
func TestEventsForStrangersHaveNoNames(t *testing.T) {
	s := tell(t, distribution.Options{Gate: newGate(t)})
	e := announce.Event{
		SpecVersion: "1.0", ID: "1", Type: announce.TypePrefix + "tag.moved", Subject: "public/app:1",
		Data: json.RawMessage(`{"tag":"<1>","by":"user:root","referrer":{"annotations":{"by":"<hand>"}}}`),
	}
	if err := s.log.Publish(t.Context(), []announce.Event{e}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[string]string{
		"":       `{"referrer":{"annotations":{"by":"<hand>"}},"tag":"<1>"}`,
		"root":   string(e.Data),
		"nobody": string(e.Data),
	} {
		p, _ := s.page("?after=0", "Authorization", who)
		if len(p.Events) != 1 || p.Events[0].ID != "1" || string(p.Events[0].Data) != want {
			t.Errorf("%q: got %s, want %s", who, p.Events[0].Data, want)
		}
		lines, ok := s.stream("?after=0&type=tag", "Authorization", who).begun().block()
		if got := strings.Join(lines, "\n"); !ok || strings.Contains(got, "user:root") != (who != "") {
			t.Errorf("%q: stream %s", who, got)
		}
	}
}

// Events speak of all of a repository.
func TestWhoMayReadEvents(t *testing.T) {
	s := tell(t, distribution.Options{Gate: newGate(t)})
	for _, c := range []struct {
		who, repo string
		status    int
		challenge string
	}{
		{"", "public/app", 200, ""},
		{"", "closed/app", 401, challenge("repository:closed/app:pull", nothingPresented)},
		{"", "samples/app", 401, challenge("repository:samples/app:pull", nothingPresented)}, // some tags of it
		{"anonymous repository:closed/app:pull", "closed/app", 401, challenge("repository:closed/app:pull", tooNarrow)},
		{"root", "closed/app", 200, ""},
		{"signer", "closed/app", 200, ""},
		{"production", "closed/app", 403, ""}, // some tags of it
		{"courier", "closed/app", 403, ""},
		{"nobody", "closed/app", 403, ""},
		{"root repository:closed/app:push", "closed/app", 401, challenge("repository:closed/app:pull", tooNarrow)},
		{"root repository:closed/app:pull", "closed/app", 200, ""},
		{"wrong", "public/app", 401, ""},
	} {
		for _, accept := range []string{"application/json", "text/event-stream"} {
			if c.status == 200 && accept != "application/json" {
				continue // it would last
			}
			a := s.as(c.who).get("/v2/"+c.repo+"/_berth/v1/events", "Accept", accept)
			if a.status != c.status {
				t.Errorf("%s, %s: %d, want %d: %s", c.who, c.repo, a.status, c.status, a.body)
			}
			if got := a.get("Www-Authenticate"); c.challenge != "" && got != c.challenge {
				t.Errorf("%s, %s: challenge %s, want %s", c.who, c.repo, got, c.challenge)
			}
		}
	}
}
