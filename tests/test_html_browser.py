"""The page in a real browser: charts drawn, nothing on the console, nothing asked of a network, no scrolling sideways.

Needs Debian's chromium and chromium-driver; FASTINIT_REQUIRE_BROWSER=1 makes their absence a failure.
"""

import json

import pytest

import fastinit as fi
from fastinit.profiler import compare

SCREENS = {"desktop": (1280, 900, False), "phone": (360, 740, True)}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """One profile, and several with a name that attacks."""
    folder = tmp_path_factory.mktemp("pages")
    networks = {"width": 32, "depth": 12, "batch": 8, "repeats": 2}
    schemes = ("he_normal", "zeros", "small_normal")
    found = [fi.profile(scheme=scheme, norm=norm, **networks) for norm in (None, "batch") for scheme in schemes]
    found[0].to_html(folder / "one.html")
    names = ["</script><script>alert(1)</script>", "a name " * 30, *"cdef"]
    compare(found, names).to_html(folder / "many.html")
    return folder


DRAWN = """
const done = arguments[0];
const look = () => document.body.classList.contains("drawn") ? done() : setTimeout(look, 20);
look();
"""
INK = """
const done = arguments[0];
setTimeout(() => done(document.getElementById("chart-0").layout.font.color), 300);
"""

NOTE = "return getComputedStyle(document.querySelector('.scroll'), '::before').content"
GREY = "rgb(128, 128, 128)"


def prefer(browser, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("page", "lines"), [("one", 2), ("many", 12)])
def test_page(browser, pages, page, lines, screen, scheme):
    width, height, mobile = SCREENS[screen]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    prefer(browser, scheme)
    for log in ("browser", "performance"):
        browser.get_log(log)
    address = (pages / f"{page}.html").as_uri()
    browser.get(address)
    browser.execute_async_script(DRAWN)

    charts = browser.find_elements("css selector", "figure")
    assert len(charts) == 8
    for chart in charts:
        assert chart.find_elements("css selector", "svg.main-svg :is(path.js-line, g.barlayer g.point)")
    drawn = charts[0].find_elements("css selector", "g.scatterlayer g.trace")
    assert len(drawn) == lines  # measured and theory
    dashed = charts[0].find_elements("css selector", "path.js-line[style*='stroke-dasharray: ']:not([style*='0px'])")
    assert len(dashed) == lines // 2 and {line.value_of_css_property("stroke") for line in dashed} == {GREY}
    for fold in browser.find_elements("css selector", "summary")[:1]:
        fold.click()
    browser.execute_async_script("setTimeout(arguments[0], 100)")
    note = browser.execute_script(NOTE)
    assert note == ('"the table scrolls sideways →"' if screen == "phone" else "none")
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.execute_script("return document.querySelector('#download').href").startswith("blob:")
    assert browser.get_log("browser") == []
    assert asked(browser) <= {address, "data:"}


def asked(browser):
    """Addresses of all requests, those of embedded data shortened."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    addresses = [request["request"]["url"] for request in sent]
    assert addresses
    return {"data:" if address.startswith("data:") else address for address in addresses}


def test_colours_follow_the_scheme(browser, pages):
    browser.get((pages / "one.html").as_uri())
    browser.execute_async_script(DRAWN)
    inks = []
    for scheme in ("light", "dark"):
        prefer(browser, scheme)
        inks.append(browser.execute_async_script(INK))
    assert inks == ["#1c1e21", "#e8eaed"]
