package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// post is a request to an HTTP endpoint.
type post struct {
	lane   string // the destination
	method string
	url    string
	header http.Header
	tries  int
}

// Header marks requests of the sandbox, so that its own endpoints can refuse them.
const Header = "X-Keyreach-Delivery"

const (
	// maxTries is how often a delivery is tried. AWS goes on for 24 hours and 185 times.
	maxTries = 4
	// maxWaiting is how many deliveries wait for one destination.
	maxWaiting = 10_000
	// sendTimeout is AWS's for API destinations.
	// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html.
	sendTimeout = 5 * time.Second
)

// pauses are the times between tries.
func pauses() []time.Duration {
	return []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}
}

// checkEndpoint refuses endpoints that the sandbox does not send to: it speaks HTTP to
// this machine only.
func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("it is no URL of HTTP")
	}
	host := u.Hostname()
	if host == "localhost" {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsLoopback() {
		return nil
	}
	return errors.New("the sandbox sends events to loopback addresses only")
}

// post makes the request for a destination.
func (s *Service) post(row string, t *types.Target, h *happened) (*post, error) {
	d := s.destinations.Get(row)
	if d == nil || d.arn() != *t.Arn {
		return nil, errors.New("there is no such API destination")
	}
	key, _ := named("connection", d.Connection)
	k := s.connections.Get(key)
	if k == nil || k.State != types.ConnectionStateAuthorized {
		return nil, errors.New("the connection of the API destination is not authorized")
	}
	p := &post{lane: d.arn(), method: string(d.Method), header: http.Header{}, tries: maxTries}
	if r := t.RetryPolicy; r != nil && r.MaximumRetryAttempts != nil {
		p.tries = 1 + min(maxTries-1, int(*r.MaximumRetryAttempts))
	}
	p.header.Set("Content-Type", "application/json; charset=utf-8")
	p.header.Set("User-Agent", "Amazon/EventBridge/ApiDestinations")
	query := url.Values{}
	target := d.Endpoint
	if v := t.HttpParameters; v != nil {
		for _, value := range v.PathParameterValues {
			target = strings.Replace(target, "*", url.PathEscape(h.resolved(value)), 1)
		}
		for name, value := range v.QueryStringParameters {
			query.Set(name, h.resolved(value))
		}
		for name, value := range v.HeaderParameters {
			p.header.Set(name, h.resolved(value))
		}
	}
	k.authorize(p, query)
	p.header.Set(Header, "1")
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+query.Encode(), "&")
	}
	p.url = u.String()
	return p, checkEndpoint(p.url)
}

// resolved is a parameter; one that is a path has the event's value there.
// See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html.
func (h *happened) resolved(value string) string {
	if !strings.HasPrefix(value, "$.") {
		return value
	}
	found, ok := at(h.tree, value)
	if !ok {
		return ""
	}
	if text, ok := found.(string); ok {
		return text
	}
	text, err := plainJSON(found)
	if err != nil {
		return ""
	}
	return string(text)
}

// authorize adds what the connection says.
func (k *Connection) authorize(p *post, query url.Values) {
	if v := k.HTTP; v != nil {
		for _, x := range v.HeaderParameters {
			p.header.Set(aws.ToString(x.Key), aws.ToString(x.Value))
		}
		for _, x := range v.QueryStringParameters {
			query.Set(aws.ToString(x.Key), aws.ToString(x.Value))
		}
	}
	switch k.Kind {
	case types.ConnectionAuthorizationTypeApiKey:
		p.header.Set(k.User, k.Secret)
	case types.ConnectionAuthorizationTypeBasic:
		r := http.Request{Header: p.header}
		r.SetBasicAuth(k.User, k.Secret)
	}
}

// lane is what waits for one destination.
type lane struct{ list []*parcel }

// send has a parcel sent after those before it.
func (o *outbox) send(p *parcel) {
	o.mu.Lock()
	l := o.lanes[p.post.lane]
	if l != nil && len(l.list) >= maxWaiting {
		o.mu.Unlock()
		o.failed(&p.Delivery, 0, 0, fmt.Errorf("%d deliveries wait already", maxWaiting))
		return
	}
	if l != nil {
		l.list = append(l.list, p)
		o.mu.Unlock()
		return
	}
	l = &lane{list: []*parcel{p}}
	o.lanes[p.post.lane] = l
	o.mu.Unlock()
	go o.drain(p.post.lane, l)
}

// drain sends what waits in a lane until nothing does.
func (o *outbox) drain(name string, l *lane) {
	client := loopback()
	defer client.CloseIdleConnections()
	for {
		o.mu.Lock()
		if len(l.list) == 0 || o.closed {
			delete(o.lanes, name)
			o.mu.Unlock()
			return
		}
		p := l.list[0]
		l.list = l.list[1:]
		o.mu.Unlock()
		o.attempt(client, p)
	}
}

// attempt sends a parcel, again when that may help.
func (o *outbox) attempt(client *http.Client, p *parcel) {
	var status int
	var err error
	for try := 1; try <= p.post.tries; try++ {
		if try > 1 {
			select {
			case <-o.done:
				return
			case <-time.After(pauses()[try-2]):
			}
		}
		status, err = o.sendOnce(client, p)
		if err == nil && status < 300 {
			o.note(&p.Delivery, try, status, "")
			return
		}
		if err == nil {
			err = fmt.Errorf("the destination answered %d", status)
		}
		if status != 0 && status < 500 && !slices.Contains([]int{401, 407, 409, 429}, status) || try == p.post.tries {
			o.failed(&p.Delivery, try, status, err)
			return
		}
	}
}

// sendOnce sends a parcel once.
func (o *outbox) sendOnce(client *http.Client, p *parcel) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-o.done:
			cancel()
		case <-stop:
		}
	}()
	body := p.Input
	r, err := http.NewRequestWithContext(ctx, p.post.method, p.post.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header = p.post.header
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	return res.StatusCode, nil
}

// loopback is a client that reaches loopback addresses only, whatever a name means, and
// follows nobody elsewhere.
func loopback() *http.Client {
	d := &net.Dialer{Timeout: sendTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil || !a.Addr().Unmap().IsLoopback() {
			return errors.New("the sandbox sends events to loopback addresses only")
		}
		return nil
	}}
	return &http.Client{
		Transport:     &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
