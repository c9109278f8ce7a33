package run

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/cloud"
)

const runColumns = "id, kind, coalesce(of, ''), change, digest, plan, routes, accounts, started, ended, status, until, error"

// newID is the id of a run that begins now: ids sort by time and can be read aloud.
func newID(now time.Time) string {
	var tail [2]byte
	_, _ = rand.Read(tail[:]) // it never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(tail[:])
}

// begin writes a new run and gives it its id.
func (j *Journal) begin(ctx context.Context, r *Run) error {
	body, err := json.Marshal(r.body())
	if err != nil {
		return fmt.Errorf("writing the plan into the journal: %w", err)
	}
	return j.change(ctx, func(tx *sql.Tx) error {
		for taken := 1; taken > 0; {
			r.ID = newID(r.Started)
			if err := tx.QueryRow("SELECT count(*) FROM runs WHERE id = ?", r.ID).Scan(&taken); err != nil {
				return fmt.Errorf("beginning a run in the journal: %w", err)
			}
		}
		var of any
		if r.Of != "" {
			of = r.Of
		}
		_, err := tx.Exec("INSERT INTO runs (id, kind, of, change, digest, plan, routes, accounts, started, status, until) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
			r.ID, r.Kind, of, r.Change, r.Digest, string(body), jsonText(r.Routes), jsonText(r.Accounts), timeText(r.Started), r.Status, timeText(r.Until))
		if err != nil {
			return fmt.Errorf("beginning a run in the journal: %w", err)
		}
		return nil
	})
}

// body is what the run performs, as the journal keeps it.
func (r *Run) body() any {
	if r.Kind == KindRoute {
		return &r.Moves
	}
	return &r.Plan
}

// add writes a record and gives it its number.
func (j *Journal) add(ctx context.Context, r *Record) error {
	before, err := opText(r.Before)
	if err != nil {
		return err
	}
	after, err := opText(r.After)
	if err != nil {
		return err
	}
	made := ""
	if len(r.Made) > 0 {
		made = jsonText(r.Made)
	}
	return j.change(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRow("INSERT INTO records (run, seq, step, phase, at, slot, before, after, made, text, error, kind) SELECT ?, coalesce(max(seq), 0) + 1, ?,?,?,?,?,?,?,?,?,? FROM records WHERE run = ? RETURNING seq",
			r.Run, r.Step, r.Phase, timeText(r.At), jsonText(r.Slot), before, after, made, r.Text, r.Error, r.Kind, r.Run).Scan(&r.Seq)
		if err != nil {
			return fmt.Errorf("writing a record of run %s: %w", r.Run, err)
		}
		return nil
	})
}

// set writes how a run stands, and when the run takes back all of another, that this
// one is undone.
func (j *Journal) set(ctx context.Context, r *Run, undone string) error {
	return j.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE runs SET status = ?, ended = ?, error = ? WHERE id = ?", r.Status, timeText(r.Ended), r.Error, r.ID)
		if err == nil && undone != "" {
			_, err = tx.Exec("UPDATE runs SET status = ? WHERE id = ?", Undone, undone)
		}
		if err != nil {
			return fmt.Errorf("writing how run %s stands: %w", r.ID, err)
		}
		return nil
	})
}

// Runs returns all runs, the latest first, without their records.
func (j *Journal) Runs() ([]*Run, error) { return j.runs("ORDER BY rowid DESC") }

// Run returns a run with its records, by its id or the beginning of it. It fails with
// *NoRunError.
func (j *Journal) Run(id string) (*Run, error) {
	all, err := j.ids()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(all, id) {
		like := slices.DeleteFunc(slices.Clone(all), func(have string) bool { return !strings.HasPrefix(have, id) })
		switch {
		case id != "" && len(like) == 1:
			id = like[0]
		case id != "" && len(like) > 1:
			return nil, &NoRunError{ID: id, Like: like, Many: true}
		default:
			return nil, &NoRunError{ID: id, Like: near(all, id)}
		}
	}
	runs, err := j.runs("WHERE id = ?", id)
	if err != nil {
		return nil, err
	}
	r := runs[0]
	if r.Records, err = j.records(id); err != nil {
		return nil, err
	}
	r.settle()
	return r, nil
}

// Expired returns the runs that opened something until a time that is over, the
// earliest first: those that applied, wholly or in part, and were not undone.
func (j *Journal) Expired(now time.Time) ([]*Run, error) {
	runs, err := j.runs("WHERE kind = ? AND status IN (?, ?, ?) AND until != '' ORDER BY rowid", KindApply, Done, Stopped, Failed)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(runs, func(r *Run) bool { return !r.Until.Before(now) }), nil
}

// near are the ids that somebody may have meant: those of the same day, or the latest.
func near(all []string, id string) []string {
	const most = 3
	day := id[:min(len(id), len("20060102"))]
	like := slices.DeleteFunc(slices.Clone(all), func(have string) bool { return !strings.HasPrefix(have, day) })
	if len(like) == 0 {
		like = all
	}
	return like[:min(len(like), most)]
}

func (j *Journal) ids() ([]string, error) {
	runs, err := j.query("SELECT id FROM runs ORDER BY rowid DESC")
	if err != nil {
		return nil, err
	}
	var ids []string
	err = each(runs, func() error {
		var id string
		err := runs.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

func (j *Journal) query(text string, args ...any) (*sql.Rows, error) {
	rows, err := j.db.Query(text, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	return rows, nil
}

// each calls f for every row.
func each(rows *sql.Rows, f func() error) error {
	for rows.Next() {
		if err := f(); err != nil {
			return errors.Join(fmt.Errorf("reading the journal: %w", err), rows.Close())
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	return nil
}

func (j *Journal) runs(which string, args ...any) ([]*Run, error) {
	rows, err := j.query("SELECT "+runColumns+" FROM runs "+which, args...)
	if err != nil {
		return nil, err
	}
	var runs []*Run
	err = each(rows, func() error {
		var r Run
		var body, routes, accounts, started, ended, until string
		if err := rows.Scan(&r.ID, &r.Kind, &r.Of, &r.Change, &r.Digest, &body, &routes, &accounts, &started, &ended, &r.Status, &until, &r.Error); err != nil {
			return err
		}
		r.Started, r.Ended, r.Until = timeOf(started), timeOf(ended), timeOf(until)
		runs = append(runs, &r)
		return errors.Join(json.Unmarshal([]byte(body), r.body()), json.Unmarshal([]byte(routes), &r.Routes), json.Unmarshal([]byte(accounts), &r.Accounts))
	})
	return runs, err
}

func (j *Journal) records(run string) ([]Record, error) {
	rows, err := j.query("SELECT seq, step, phase, at, slot, before, after, made, text, error, kind FROM records WHERE run = ? ORDER BY seq", run)
	if err != nil {
		return nil, err
	}
	var list []Record
	err = each(rows, func() error {
		r := Record{Run: run}
		var at, slot, before, after, made string
		var kind string
		if err := rows.Scan(&r.Seq, &r.Step, &r.Phase, &at, &slot, &before, &after, &made, &r.Text, &r.Error, &kind); err != nil {
			return err
		}
		r.At, r.Kind = timeOf(at), cloud.Kind(kind)
		var err1, err2, err3 error
		r.Before, err1 = opOf(before)
		r.After, err2 = opOf(after)
		if made != "" {
			err3 = json.Unmarshal([]byte(made), &r.Made)
		}
		list = append(list, r)
		return errors.Join(json.Unmarshal([]byte(slot), &list[len(list)-1].Slot), err1, err2, err3)
	})
	return list, err
}

// madeFor are the names that AWS gave in earlier runs of the same plan.
func (j *Journal) madeFor(digest string) (names, error) {
	rows, err := j.query("SELECT made FROM records JOIN runs ON runs.id = run WHERE digest = ? AND made != '' AND runs.kind != ? AND status != ? ORDER BY records.rowid", digest, KindUndo, Undone)
	if err != nil {
		return nil, err
	}
	all := names{}
	err = each(rows, func() error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		var made map[string]string
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			return err
		}
		all.add(made)
		return nil
	})
	return all, err
}
