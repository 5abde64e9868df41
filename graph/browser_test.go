package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// probe is what is asked of a page in a browser: whether its text lies where
// the layout thought it would, in the browser's own font, and whether its
// buttons do what they say. It leaves its findings in an attribute.
const probe = `<script>
addEventListener("load", function () {
  var faults = [], seen = { errors: window.netlabErrors };
  function look(when) {
    var svg = document.querySelector("#drawing svg"), own = svg.viewBox.baseVal;
    var texts = Array.prototype.map.call(svg.querySelectorAll("text"), function (t) { return { s: t.textContent, b: t.getBBox() }; });
    var rects = Array.prototype.filter.call(svg.querySelectorAll("rect"), function (r) {
      return /^(frame|pod|service|bridge|switch|device|pipe|chain)/.test(r.getAttribute("class"));
    }).map(function (r) { return r.getBBox(); });
    function apart(a, b) { return a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y + 2 || b.y + b.height <= a.y + 2; }
    function inside(a, b) { return a.x >= b.x && a.x + a.width <= b.x + b.width && a.y >= b.y - 2 && a.y + a.height <= b.y + b.height + 2; }
    texts.forEach(function (t, i) {
      if (t.b.x < 0 || t.b.x + t.b.width > own.width) { faults.push(when + ": " + t.s + " is cut off"); }
      texts.slice(i + 1).forEach(function (u) { if (!apart(t.b, u.b)) { faults.push(when + ": " + t.s + " and " + u.s + " overlap"); } });
      rects.forEach(function (r) { if (!apart(t.b, r) && !inside(t.b, r)) { faults.push(when + ": " + t.s + " crosses an edge"); } });
    });
    return texts.length;
  }
  seen.plain = look("plain");
  document.querySelectorAll("[data-bit]").forEach(function (b) { b.click(); });
  seen.all = look("all details");
  var button = document.querySelector("table [data-ends]"), width = document.querySelector("#drawing svg").getBoundingClientRect().width;
  button.click();
  seen.picked = document.querySelectorAll("#drawing .picked").length;
  seen.told = document.getElementById("picked").textContent.length;
  document.getElementById("larger").click();
  seen.larger = document.querySelector("#drawing svg").getBoundingClientRect().width > width;
  var paper = getComputedStyle(document.body).backgroundColor;
  document.getElementById("theme").click();
  seen.theme = getComputedStyle(document.body).backgroundColor !== paper;
  seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  seen.outside = performance.getEntriesByType("resource").length;
  seen.faults = faults.slice(0, 8);
  document.body.setAttribute("data-seen", JSON.stringify(seen));
});
</script></body>`

// TestPageInBrowser opens pages in headless Chromium.
func TestPageInBrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("no Chromium is installed; it is in Debian's package chromium")
	}
	lab, two := load(t, oddLab), shipped(t, "two-node")
	for name, page := range map[string]struct {
		write   func(io.Writer) error
		details bool
	}{
		"odd":    {New(lab, Options{}, seen(lab, rand.New(rand.NewPCG(1, 1)))).WriteHTML, true},
		"big":    {New(shipped(t, "big"), Options{}, nil).WriteHTML, true},
		"broken": {New(two, Options{}, brokenLab(two)).WriteHTML, true},
		"chains": {chainsOf(two, two.Node("node-a")).WriteHTML, false},
	} {
		var got struct {
			Plain, All, Picked, Told, Outside int
			Larger, Theme, Wide               bool
			Errors, Faults                    []string
		}
		text := bytes.Replace(written(t, page.write), []byte("</body>"), []byte(probe), 1)
		text = bytes.Replace(text, []byte("<head>"), []byte(`<head><script>window.netlabErrors = []; addEventListener("error", function (e) { window.netlabErrors.push(e.message); });</script>`), 1)
		if err := json.Unmarshal([]byte(browse(t, browser, text)), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, f := range append(got.Errors, got.Faults...) {
			t.Errorf("%s: %s", name, f)
		}
		if got.Plain == 0 || page.details && got.All <= got.Plain {
			t.Errorf("%s: %d texts, with all details %d", name, got.Plain, got.All)
		}
		if got.Picked == 0 || got.Told == 0 {
			t.Errorf("%s: choosing a thing marks %d and tells %d letters", name, got.Picked, got.Told)
		}
		if !got.Larger || !got.Theme || got.Wide {
			t.Errorf("%s: larger %t, other theme %t, wider than the window %t", name, got.Larger, got.Theme, got.Wide)
		}
		if got.Outside != 0 {
			t.Errorf("%s: the page loads %d things", name, got.Outside)
		}
	}
}

var seenAttr = regexp.MustCompile(`data-seen="([^"]*)"`)

// browse opens a page and returns what its probe found.
func browse(t *testing.T, browser string, text []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1280,900", "--dump-dom", "file://"+file)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	m := seenAttr.FindSubmatch(out)
	if m == nil {
		t.Fatalf("the page says nothing:\n%.300s", out)
	}
	return html.UnescapeString(string(m[1]))
}
