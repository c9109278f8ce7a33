package events

import (
	"strings"
	"testing"
)

const sample = `{"version":"0","id":"1","detail-type":"Sample","source":"my.app","account":"111122223333","time":"2026-01-02T03:04:05Z",
"region":"us-east-1","resources":["arn:a","arn:b"],"detail":{"state":"running","n":300,"f":1.5,"ok":true,"none":null,"empty":"","list":[],
"ip":"10.0.0.7","path":"/opt/lib/x.jar","deep":{"a":[{"k":"x","v":"1"},{"k":"y","v":"2"}]}}}`

func TestPatterns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern string
		want    bool
	}{
		{`{"source":["my.app"]}`, true},
		{`{"source":["other","my.app"]}`, true},
		{`{"source":["MY.APP"]}`, false},
		{`{"source":["my.app"],"detail-type":["Other"]}`, false},
		{`{"resources":["arn:b"]}`, true},
		{`{"resources":["arn:c"]}`, false},
		{`{"detail":{"n":[300]}}`, true},
		{`{"detail":{"n":[300.0]}}`, false},
		{`{"detail":{"n":["300"]}}`, false},
		{`{"detail":{"ok":[true]}}`, true},
		{`{"detail":{"none":[null]}}`, true},
		{`{"detail":{"gone":[null]}}`, false},
		{`{"detail":{"empty":[""]}}`, true},
		{`{"detail":{"state":[{"prefix":"run"}]}}`, true},
		{`{"detail":{"state":[{"prefix":"RUN"}]}}`, false},
		{`{"detail":{"state":[{"prefix":{"equals-ignore-case":"RUN"}}]}}`, true},
		{`{"detail":{"state":[{"suffix":"ing"}]}}`, true},
		{`{"detail":{"state":[{"suffix":{"equals-ignore-case":"ING"}}]}}`, true},
		{`{"detail":{"state":[{"equals-ignore-case":"RUNNING"}]}}`, true},
		{`{"detail":{"state":[{"anything-but":"stopped"}]}}`, true},
		{`{"detail":{"state":[{"anything-but":["stopped","running"]}]}}`, false},
		{`{"detail":{"state":[{"anything-but":{"prefix":"run"}}]}}`, false},
		{`{"detail":{"state":[{"anything-but":{"suffix":["ed","er"]}}]}}`, true},
		{`{"detail":{"state":[{"anything-but":{"equals-ignore-case":"RUNNING"}}]}}`, false},
		{`{"detail":{"path":[{"anything-but":{"wildcard":"*/lib/*"}}]}}`, false},
		{`{"detail":{"gone":[{"anything-but":"x"}]}}`, false},
		{`{"detail":{"n":[{"anything-but":301}]}}`, true},
		{`{"detail":{"n":[{"numeric":["=",3e2]}]}}`, true},
		{`{"detail":{"n":[{"numeric":[">",0,"<=",300]}]}}`, true},
		{`{"detail":{"n":[{"numeric":[">",0,"<",300]}]}}`, false},
		{`{"detail":{"f":[{"numeric":[">=",1.5]}]}}`, true},
		{`{"detail":{"state":[{"numeric":["=",1]}]}}`, false},
		{`{"detail":{"ip":[{"cidr":"10.0.0.0/24"}]}}`, true},
		{`{"detail":{"ip":[{"cidr":"10.0.1.0/24"}]}}`, false},
		{`{"detail":{"path":[{"wildcard":"/opt/*.jar"}]}}`, true},
		{`{"detail":{"path":[{"wildcard":"*lib*x*"}]}}`, true},
		{`{"detail":{"path":[{"wildcard":"/opt/*x"}]}}`, false},
		{`{"detail":{"path":[{"wildcard":"/opt/\\*.jar"}]}}`, false},
		{`{"detail":{"state":[{"exists":true}]}}`, true},
		{`{"detail":{"state":[{"exists":false}]}}`, false},
		{`{"detail":{"gone":[{"exists":false}]}}`, true},
		{`{"detail":{"list":[{"exists":false}]}}`, true},
		{`{"detail":{"deep":[{"exists":true}]}}`, false},
		{`{"detail":{"gone":{"below":[{"exists":false}]}}}`, true},
		{`{"detail":{"gone":{"below":["x"]}}}`, false},
		{`{"detail":{"state":["stopped",{"prefix":"run"}]}}`, true},
		{`{"detail":{"deep":{"a":{"k":["x"],"v":["1"]}}}}`, true},
		{`{"detail":{"deep":{"a":{"k":["x"],"v":["2"]}}}}`, false},
		{`{"detail":{"$or":[{"state":["stopped"]},{"n":[{"numeric":[">",299]}]}]}}`, true},
		{`{"detail":{"$or":[{"state":["stopped"]},{"n":[1]}]}}`, false},
		{`{"source":["other"],"source":["my.app"]}`, true}, // the last of several counts
	}
	tree, err := readJSON(sample)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		p, err := readPattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := p.matches(tree.(map[string]any)); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.pattern, got, tt.want)
		}
	}
}

func TestWhatIsNoPatternIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	tests := []struct{ pattern, reason string }{
		{``, "not valid JSON"}, {`{`, "not valid JSON"}, {`{} {}`, "something follows"}, {`[]`, "not an object"}, {`{}`, "Empty objects"},
		{`{"detail":{}}`, "Empty objects"}, {`{"source":"x"}`, `"source" must be an object or an array`}, {`{"source":[]}`, "Empty arrays"},
		{`{"a":[["x"]]}`, "Match value"}, {`{"a":[{"prefix":"x","suffix":"y"}]}`, "Only one key"}, {`{"a":[{"suffix":["x"]}]}`, "suffix match pattern must be a string"},
		{`{"a":[{"like":"x"}]}`, "Unrecognized match type like"}, {`{"a":[{"exists":"x"}]}`, "exists"}, {`{"a":[{"numeric":["!",1]}]}`, "numeric"},
		{`{"a":[{"numeric":[">","1"]}]}`, "numeric"}, {`{"a":[{"numeric":["=",1,"<",2]}]}`, "numeric"}, {`{"a":[{"numeric":["<",6e9]}]}`, "between"},
		{`{"a":[{"cidr":"10.0.0.0"}]}`, "CIDR"}, {`{"a":[{"wildcard":"a**b"}]}`, "Consecutive"}, {`{"a":[{"wildcard":"a\\b"}]}`, "escape"},
		{`{"a":[{"anything-but":{"cidr":"x"}}]}`, "anything-but"}, {`{"a":[{"anything-but":[]}]}`, "Empty arrays"}, {`{"a":[{"anything-but":[true]}]}`, "strings and numbers"},
		{`{"$or":[{"a":["x"]}]}`, "at least 2"}, {`{"$or":[{"a":["x"]},1]}`, "Only objects"},
	}
	for _, tt := range tests {
		if _, err := readPattern(tt.pattern); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want %q", tt.pattern, err, tt.reason)
		}
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add(`{"a":[{"wildcard":"*x*"}],"$or":[{"b":[1]},{"c":[{"numeric":[">",1]}]}]}`, sample)
	f.Fuzz(func(t *testing.T, text, event string) {
		p, err := readPattern(text)
		if err != nil {
			return
		}
		if tree, err := readJSON(event); err == nil {
			object, _ := tree.(map[string]any)
			p.matches(object)
		}
	})
}
