"""browser.py URL DIRECTORY -- looks at a page with headless Chromium as a phone and a desk would, by light and in the dark.

Prints one JSON document: for each look its picture (PNG in DIRECTORY) with how wide the document is, what sticks out, the least
contrast between a text and what is behind it, and how many colours the picture has; and for all of them together every
address that was asked for and every complaint of the browser. The browser is spoken to through two pipes: no port, and it
ends with us. A page under our policy runs no script of its own; what is measured here is asked by the debugger.
"""
import base64, json, os, struct, subprocess, sys, tempfile, zlib

LOOKS = {"phone-light": (360, 800, "light"), "phone-dark": (360, 800, "dark"),
         "desk-light": (1280, 900, "light"), "desk-dark": (1280, 900, "dark")}

MEASURE = r"""(() => {
  document.querySelectorAll('details').forEach(one => one.open = OPEN);
  const width = document.documentElement.clientWidth, out = [], texts = [];
  const rgb = text => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = at => { for (; at; at = at.parentElement) { const c = rgb(getComputedStyle(at).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  for (const one of document.body.querySelectorAll('*')) {
    const box = one.getBoundingClientRect();
    if (!one.closest('svg') && box.width && (box.left < -.5 || box.right > width + .5)) out.push(one.outerHTML.slice(0, 80));
    if ([...one.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && box.width) {
      const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))];
      texts.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), one.outerHTML.slice(0, 80)]);
    }
  }
  texts.sort((a, b) => a[0] - b[0]);
  return { client_width: width, scroll_width: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight,
    sticks_out: out.slice(0, 5), least_contrast: texts[0], title: document.title,
    cards: document.querySelectorAll('article').length };
})()"""


class Browser:
    def __init__(self, profile):
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()

        def pipes():  # where --remote-debugging-pipe wants them
            os.dup2(to_read, 13), os.dup2(from_write, 14)
            os.dup2(13, 3), os.dup2(14, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-breakpad", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--hide-scrollbars",
             f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=pipes, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile})
        os.close(to_read), os.close(from_write)
        self.last, self.rest, self.events = 0, b"", []

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.from_read, 1 << 20)
            if not more:
                sys.exit("browser: it ended")
            self.rest += more
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, session=None, **params):
        self.last += 1
        call = {"id": self.last, "method": method, "params": params}
        if session:
            call["sessionId"] = session
        os.write(self.to_write, json.dumps(call).encode() + b"\0")
        while (answer := self.message()).get("id") != self.last:
            self.events.append(answer)
        if "error" in answer:
            sys.exit(f"browser: {method}: {answer['error']}")
        return answer["result"]

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def end(self):
        self.call("Browser.close")
        self.process.wait(20)


def png_pixels(data):
    """Width, height and the rows of an 8-bit RGB or RGBA picture (PNG, 9: filters)."""
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            assert depth == 8 and colour in (2, 6), "a form of PNG that is not known here"
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    step = 3 if colour == 2 else 4
    raw, rows, before = zlib.decompress(packed), [], bytearray(width * step)
    for start in range(0, len(raw), width * step + 1):
        filter_type, row = raw[start], bytearray(raw[start + 1:start + 1 + width * step])
        for i in range(len(row)):
            left, up = row[i - step] if i >= step else 0, before[i]
            if filter_type == 1:
                row[i] = (row[i] + left) & 255
            elif filter_type == 2:
                row[i] = (row[i] + up) & 255
            elif filter_type == 3:
                row[i] = (row[i] + (left + up) // 2) & 255
            elif filter_type == 4:
                corner = before[i - step] if i >= step else 0
                guess = left + up - corner
                nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
                row[i] = (row[i] + nearest) & 255
        rows.append(row)
        before = row
    return width, height, step, rows


def picture_facts(data):
    width, height, step, rows = png_pixels(data)
    colours = {bytes(row[i:i + 3]) for row in rows[::3] for i in range(0, len(row), step)}
    return {"width": width, "height": height, "colours": len(colours), "ground": list(rows[0][:3])}


def look(browser, url, name, directory):
    wide, high, scheme = LOOKS[name]
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Network", "Log", "Runtime"):
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=wide, height=high, deviceScaleFactor=1, mobile=wide < 500)
    browser.call("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events = [event for event in browser.events if event.get("method") != "Page.loadEventFired"]
    browser.call("Page.navigate", session, url=url)
    browser.wait("Page.loadEventFired")
    measured = {}
    for state in ("true", "false"):  # with every detail open, which is the widest, and as it comes
        answer = browser.call("Runtime.evaluate", session, expression=MEASURE.replace("OPEN", state), returnByValue=True)
        if "exceptionDetails" in answer:
            sys.exit(f"browser: {answer['exceptionDetails']}")
        measured["open" if state == "true" else "closed"] = answer["result"]["value"]
        if state == "true":
            shot = browser.call("Page.captureScreenshot", session, captureBeyondViewport=True, clip={
                "x": 0, "y": 0, "width": wide, "height": min(measured["open"]["height"], 6000), "scale": 1})
            open(f"{directory}/{name}-open.png", "wb").write(base64.b64decode(shot["data"]))
    shot = base64.b64decode(browser.call("Page.captureScreenshot", session)["data"])
    open(f"{directory}/{name}.png", "wb").write(shot)
    measured["picture"] = picture_facts(shot)
    browser.call("Target.closeTarget", targetId=target)
    return measured


def main(url, directory):
    with tempfile.TemporaryDirectory(dir=directory) as profile:
        browser = Browser(profile)
        result = {"looks": {name: look(browser, url, name, directory) for name in LOOKS}}
        asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
        failed = [e["params"] for e in browser.events if e.get("method") == "Network.loadingFailed"]
        result["asked_for"] = sorted(set(asked))
        result["complaints"] = [e["params"]["entry"]["text"] for e in browser.events if e.get("method") == "Log.entryAdded"] + [
            str(one) for one in failed]
        browser.end()
    json.dump(result, sys.stdout, indent=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
