package news

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// look is how long to wait between looks at what there is. What is noted are the
// times that the bus has noted itself.
const look = 50 * time.Millisecond

// A Bus is that of a local cloud, of which its control endpoint tells.
type Bus struct {
	Arrivals
	control string
	taken   int
}

// WatchBus notes what is put on the bus, until ctx ends. Control is the address
// of the control endpoint, as host and port.
func WatchBus(ctx context.Context, control string) (*Bus, error) {
	b := &Bus{control: control}
	if err := b.look(ctx); err != nil {
		return nil, err
	}
	go func() {
		for ctx.Err() == nil {
			time.Sleep(look)
			_ = b.look(ctx) // what is missed comes with the next look
		}
	}()
	return b, nil
}

// look notes what was put since the last time.
func (b *Bus) look(ctx context.Context) error {
	for {
		page, err := b.page(ctx)
		if err != nil {
			return fmt.Errorf("look at the bus: %w", err)
		}
		for _, t := range page {
			if err := b.noteEvent(t.Detail, t.At); err != nil {
				return err
			}
			b.taken = t.N
		}
		if len(page) == 0 {
			return nil
		}
	}
}

type taken struct {
	N      int
	At     time.Time
	Detail json.RawMessage
}

func (b *Bus) page(ctx context.Context) ([]taken, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/bus?after=%d", b.control, b.taken), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", resp.Status)
	}
	var page []taken
	err = json.NewDecoder(resp.Body).Decode(&page)
	return page, err
}
