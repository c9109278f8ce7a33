package source
import ("testing";"os";"fmt")
func TestZShow(t *testing.T){
 if os.Getenv("ZZ")!="show" {t.Skip()}
 for _, s := range []string{
  "a: !!int \"5\"","a: !!int 5","a: !!float 3","a: !!bool \"true\"","a: !!null ''","a: !!null x","a: !!str","a: !!str null","a: !!str [1]","a: !!map {b: 1}","a: !!seq [1]","a: !!binary aGk=","a: !!set {x}","a: !!timestamp 2012-10-17","a: ! 12","a: !<tag:yaml.org,2002:str> 12","a: !!omap [x: 1]",
  "a: &x [*x]","a: &x {b: *x}","&k a: 1\nb: *k","*k : 1","&k a: 1\n*k : 2","!!str 1: x","!Sub x: y","? [a, b]\n: c","~: x","null: x","true: x","1: x","1.5: x","0x10: x",": x","'': x","\"a\\nb\": x","? |\n a\n: b","? a\n","{a, b: 1}","[a: 1]",
  "a: &x 1\nb:\n  <<: *x\n","b:\n  <<: *gone\n  c: 1\n","b:\n  <<: !Sub x\n","a: &a {p: 1}\nb: &b {p: 2, q: 3}\nc:\n  <<: [*a, *b]\n","b:\n  <<: {x: 1}\n  <<: {y: 2}\n","<<: x","'<<': x","a: &x {p: 1}\nb: {<<: *x, p: 2}",
  "a: 1.0","a: 1e3","a: .5","a: 5.","a: .inf","a: -.inf","a: .nan","a: +1","a: 0x1F","a: 0o17","a: 017","a: 0","a: -0","a: 00","a: 1_000","a: 0b11","a: 012345678901","a: 098765432109","a: 123456789012345678901234567890","a: 1e999","a: -012","a: 1:30","a: yes","a: on","a: True","a: TRUE","a: Null","a: ~","a:","a: # c","a: 2012-10-17T10:00:00Z","a: 1.2.3","a: 10.0.0.0/8",
  "a: >\n  x\n  y\n","a: >-\n  x\n\n  y\n","a: |+\n  x\n\n","a: |2\n    x\n","a: x\n  y\n","a: \"x\n  y\"","a: 'x\n  y'","a: \"\\u00e9\\x41\\\"\"",
  "---\na: 1\n...\n","a: 1\n---\n","---\n---\na: 1\n","# c\n---\na: 1\n","a: 1\n...\nb: 2\n","--- a\n--- b\n","%YAML 1.2\n---\na: 1\n","a: 1\n--- # x\n","- 1\n---\n- 2\n---\n- 3\n","---\na: |\n  ---\n  x\n",
  "a: [1, 2\n","a: {b\n","a: \"x\n","a: 'x\n","a: b: c\n","- a\nb: c\n","a: @x\n","a: `x`\n","a: %x\n","\tb: 1\n","a: ]\n","a: [1,,2]\n","a: [,]\n","a: {,}\n","a: *\n","a: &\n","a: !Sub\nb: 1","!Sub x","- !GetAtt\n  - a\n  - b\n","a: !If [c, {b: 1}, !Ref 'AWS::NoValue']\n","a: !Sub |\n  x ${y}\n","a: !Sub\n  - x\n  - {y: 1}\n","a: !Transform {Name: x}","a: !Join\n  - ','\n  - - x\n    - !Sub y\n","a: &x !Sub y\nb: *x","a: !Sub &x y\nb: *x","a: !ImportValue x\n","a: !FindInMap [a, !Ref b, c]",
  "é: ü\nz: 1\n","a: é # c\nb: [é, x]\n","a: 1\r\nb:\r\n  - c\r\n","k: {\"a\":1}","k: {a: b, c: }","k: [a, [b, {c: d}], ]","'a b': c\n","a : b","a:  b\n\n\nc:   d","a: x # c","a: x#c","a: arn:aws:iam::111122223333:root","a: [arn:aws:iam::111122223333:root, x]","k: {kms:ViaService: x}","k: {kms:ViaService : x}","k: {\"kms:ViaService\": x}","kms:ViaService: x","k: {a:b}","k: {a::b: c}","k: {'a':b}", "a: {b: arn:aws:x}","a: {b: c:d, e: f}","- {a: x:y}",
 } {
  n,p,err := Parse([]byte(s))
  if err != nil { fmt.Printf("%-45q ERR %v\n", s, err); continue }
  fmt.Printf("%-45q %s  %v\n", s, show(n), p)
 }
}
