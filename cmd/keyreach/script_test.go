package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden parts of the scripts anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"keyreach":            main,
		"age-plugin-keyreach": main,
		"keyreach-measured":   measured,
	})
}

// The scripts run the program as people do: each command, its success, its
// refusal, a bad flag, its JSON and its exit codes.
func TestScripts(t *testing.T) {
	t.Parallel()
	commands := actsCommands(t)
	commands["exits"], commands["sandbox"], commands["accesskey"] = exits, scriptSandbox, accessKey
	commands["provoke"] = scriptProvoke
	commands["identity"], commands["backups"], commands["spoil"] = scriptIdentity, scriptBackups, scriptSpoil
	commands["oldkms"], commands["oldenc"], commands["targz"] = scriptOldKMS, scriptOldEnc, scriptTarGz
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                commands,
		Setup: func(env *testscript.Env) error {
			examples, err := os.Getwd()
			env.Values[actsKey{}] = &actsWorld{}
			env.Setenv("EXAMPLES", examples+"/../../examples")
			setRace(env.Setenv)
			return err
		},
	})
}

// setRace: a program built with -race sleeps a second at its end, to see more of what its
// other threads do, and scripts run the program hundreds of times. See
// https://go.dev/doc/articles/race_detector#Options.
func setRace(setenv func(name, value string)) { setenv("GORACE", "atexit_sleep_ms=0") }

// exits runs a command that has to end with exactly this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT]…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = code.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// An interrupted program ends at once, though its input has not.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	in, hold := io.Pipe()
	defer hold.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	code := make(chan int)
	go func() { code <- execute(ctx, []string{"can", "--cases", "-"}, in, &out, &errs) }()
	if _, err := io.WriteString(hold, `{"id":"a","request":{"principal":"111122223333","action":"kms:ListKeys","resource":"*"}}`+"\n"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if got := <-code; got != exitStopped || errs.String() != "keyreach: interrupted\n" {
		t.Errorf("exit code %d, %s", got, errs.String())
	}
}
