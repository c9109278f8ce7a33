package source
import ("testing";"os";"fmt")
func TestZShow2(t *testing.T){
 if os.Getenv("ZZ")!="show" {t.Skip()}
 for _, s := range []string{
  "a: !Sub\nb: 1","a: &x\nb: 1","a: !!str\nb: 1","a: !!map\nb: 1","x:\n  a: !Sub\n  b: 1\nc: 2","x:\n  a: !Sub\nb: 1","- !Sub\n- x","- !Sub\n- b: 1","- &a\n- x","a: !Join\n- x\n- y\n","a: &x\n- x\n","a: &x\n  b: 1\nc: *x","a: !Sub # c\nb: 1","a: !Sub\n\n\nb: 1","- a: !Sub\n  b: 1","- a: &x\n  b: 1","{}\n","a: {b: !Sub, c: 1}","a: [!Sub, x]","a: [&x, x]","a: {b: &x, c: 1}","a:\n- b: &x\n- c",
  "a: 1\n---\n---\nb: 2\n","---\n---\na: 1\n","---\n\n---\na: 1\n---\nb: 2\n","---\n# c\n---\na: 1\n","a: 1\n...\n---\nb: 2\n","a: 1\n...\nb: 2\n","--- \n--- \n---\na: 1\n---\nb: 2","---\nnull\n---\na: 1\n","--- ~\n--- a","a: 1\n---\nnull\n",
  "? a\n? b\n","? a\n: 1\n? b\n: 2\n","? &k a\n: 1\nb: *k","? !!str 1\n: 2","? - a\n: b","? {a: 1}\n: b","{[a]: b}","x: {[a]: b}","x: {? a : b}","x: [a: b, c: d]","x: [? a : b]","x: [kms:X: y]","x: [a:b]","x: [a::b]", "x: [arn:aws:kms:::*]","x: [*, a]","x: *","x: [a, *]","Action: [kms:*]","Action: kms:*","- kms:*\n- *\n","Principal: '*'\n","- arn:*:x\n",
  "a: \"x\" \"y\"","a: 'x' y","a: {b: 1} c","a: [1] c","a: [1]\n b: 2","a: 1\n  b: 2","a:\n    b: 1\n  c: 2\n","a:\n  - b\n c: 2","a:\n- b\nc: 2","- a\n - b\n","- - a\n  - b\n- c","- a: 1\n  b: 2\n-\n  c: 3\n","-\n- a\n","- \n","-","a: -","a: - b","a: -b","a: --","a: ?x","a: ?","a: :x","a: a:","a: 'x':","a: !!int x","a: |\nb: 1","a: >\nb: 1","a: |\n\nb: 1","a: |  \n x\n","a: | # c\n x\n","a: |-\n x\n","a: |\n x\n\n\n# c\nb: 1","a: |\n  x\n y\n","a: |\n\tx\n", "a: x\n\n  y\n","a: x # c\n  y\n","a: \"x\\\n  y\"","a: \"\\q\"","a: \"\\ud83d\\ude00\"","a: \"\\U0001F600\"","a: \"\\ud800\"","a: \"\\/\"","a: \"x\ny\"","a: 'x\n\ny'","\"a\": 1\n\"b\": 2\n","\"a\"\n","'a'\n","\"x\\'\"", "a: \u0085x", "a: x\u2028y","a: \x00","a: \x01x",
  "{}: x","a: &x [1]\nb: &x [2]\nc: *x","a: &x {k: &y v}\nb: *y","a: *x\nb: &x 1","a: &x [1, *x]\n","b: &x [0]\na: &x [*x]\n",
  "a: *x:\n","*x: 1","a: {*x: 1}","a: {*x : 1}","a: &x:y z\nb: *x:y",
  "a: b\na: c\nA: d\n","a: {b: 1, b: 2}","1: a\n'1': b\n","a: &x {p: 1}\nb: {<<: *x, <<: {p: 2}}",
  "a: true # c\nb: false#x", "a: null\nb: NULL\nc: nUll","a: tRue",
  "key with spaces: x","key: value with: colon","a: b:c","a:b","a:b: c","a: [x y, z w]","a: {x y: z w}","a: [\n  x,\n  y\n]\n","a: {\n  x: 1,\n  y: 2\n}\n","a: {\nx: 1\n}\n","a: [\nx\n]\n","a: [ # c\n x, # d\n y ]\n","a: {x: [\n  1\n]}\nb: 2\n",
 } {
  n,p,err := Parse([]byte(s))
  if err != nil { fmt.Printf("%-35q ERR %v\n", s, err); continue }
  fmt.Printf("%-35q %s  %v\n", s, show(n), p)
 }
}
