package sandbox_test

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// filled gives every member of a request the same text, number or time, so far as it
// can have it.
func filled(v reflect.Value, text string, number int64, deep int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), text, number, deep)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(number*1e9, 0)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() && deep > 0 {
				filled(v.Field(i), text, number, deep-1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			filled(v.Index(i), text, number, deep)
		}
	case reflect.String:
		v.SetString(text)
	case reflect.Int32, reflect.Int64:
		v.SetInt(number)
	case reflect.Float64:
		v.SetFloat(float64(number))
	case reflect.Bool:
		v.SetBool(number > 0)
	}
}

// Whatever a request says, it is answered or refused; nothing breaks on it.
func TestEveryOperationOfRDSAnswersWhateverIsAsked(t *testing.T) {
	t.Parallel()
	d := newDatabases(t)
	d.create("orders", d.key(owner, ""))
	d.snap("orders", "first")
	client, calls := reflect.ValueOf(d.Client), 0
	for _, name := range offered(t, "rds") {
		method := client.MethodByName(name)
		for _, text := range []string{
			"", "x", "orders", "first", "arn:::::", "arn:aws:rds:us-east-1:" + owner + ":snapshot:first", "arn:aws:rds:us-west-2:" + owner + ":snapshot:first",
			"arn:aws:rds:us-east-1:" + consumer + ":db:x", "arn:aws:rds:us-east-1:" + owner + ":cluster:", "aurora-mysql", "postgres", strings.Repeat("ä", 300),
		} {
			for _, number := range []int64{-1, 0, 1, 1 << 30} {
				in := reflect.New(method.Type().In(1).Elem())
				filled(in.Elem(), text, number, 3)
				if f := in.Elem().FieldByName("SourceRegion"); f.IsValid() {
					f.SetZero() // with it, the SDK signs for a Region that may be none
				}
				err, _ := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})[1].Interface().(error)
				if got := refusal(err); strings.HasPrefix(got, "InternalFailure") || strings.HasPrefix(got, "operation error") {
					t.Errorf("%s with %q and %d: %s", name, text, number, got)
				}
				calls++
			}
		}
	}
	t.Logf("%d calls", calls)
}

// offered are the operations that the document lists of a service.
func offered(t *testing.T, service string) []string {
	t.Helper()
	_, list, ok := strings.Cut(string(need(os.ReadFile("../docs/sandbox.md"))(t)), "| "+service+" | ")
	if !ok {
		t.Fatalf("the document has no operations of %s", service)
	}
	line, _, _ := strings.Cut(list, " |")
	return strings.Split(line, ", ")
}
