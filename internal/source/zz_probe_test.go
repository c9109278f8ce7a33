package source
import ("testing";"os";"strings";"fmt";"time")
func TestZZ(t *testing.T){
 which := os.Getenv("ZZ")
 gens := map[string]string{
  "dash": strings.Repeat("- ", 100000)+"x\n",
  "dash2k": strings.Repeat("- ", 2000)+"x\n",
  "q": strings.Repeat("? ", 100000)+"x\n",
  "hid": "a: "+strings.Repeat(`["]",`, 100000),
  "hidclosed": "a: "+strings.Repeat(`["]",`, 20000)+"1"+strings.Repeat("]",20000)+"\n",
  "hid300": "a: "+strings.Repeat(`["]",`, 300)+"1"+strings.Repeat("]",300)+"\n",
  "hidcomment": "a: "+strings.Repeat("[ # ]\n ", 100000),
  "tags": "a: "+strings.Repeat("!a ", 100000)+"x\n",
  "anch": "a: "+strings.Repeat("&a ", 100000)+"x\n",
  "dashbig": strings.Repeat("- ", 4000000)+"x\n",
  "colon": strings.Repeat("a: ", 100000)+"x\n",
 }
 if which=="" {t.Skip()}
 s := time.Now()
 n,_,err := Parse([]byte(gens[which]))
 e := fmt.Sprint(err); if len(e)>200 {e=e[:200]}
 fmt.Println(which, n!=nil, e, time.Since(s))
}
