"""The page in a real browser: what is typed, walked and shared is drawn, as the command draws it."""

import contextlib
import shutil
from types import SimpleNamespace

import browsing
import numpy as np
import pytest
from browsing import WIDTHS
from in_node import HERE
from pixels import assert_same

import cgan_raw
from cgan_raw.sample import sheets
from cgan_raw.sampler import Sampler, noise


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra web)")
    if browsing.program() is None:
        pytest.skip("needs chromium")
    with browsing.started() as browser:
        yield browser


@pytest.fixture
def serve():
    """Serves a folder: its address."""
    with contextlib.ExitStack() as servers:
        yield lambda folder: servers.enter_context(browsing.served(folder))


@pytest.fixture
def visit(browser, serve, page_of):
    """Opens a model's page; at the end, nothing was complained of and nobody else was asked for anything."""
    opened = []

    def open_page(model="cgan", state="", size="desk", folder=None, ready=True, **how):
        address = serve(folder or page_of(model))
        width, height = WIDTHS[size]
        context = browser.new_context(viewport={"width": width, "height": height}, **how)
        page = context.new_page()
        seen = SimpleNamespace(context=context, address=address, complaints=[], asked=[], expected=not ready)
        page.on("console", lambda said: seen.complaints.extend([said.text] if said.type == "error" else []))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.asked.append(request.url))
        opened.append(seen)
        page.goto(address + state)
        if ready:
            page.wait_for_selector("#hands canvas")
        return page

    yield open_page
    for seen in opened:
        seen.context.close()
        assert seen.asked, "requests are not seen"
        assert all(url.startswith((seen.address, "data:")) for url in seen.asked)
        assert seen.expected or seen.complaints == []


def pixels(page, place="#digits canvas"):
    """What canvases hold: (n, 28, 28) uint8."""
    read = """places => places.map(canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return Array.from(data).filter((_, i) => i % 4 === 3);
    })"""
    return np.array(page.eval_on_selector_all(place, read), np.uint8).reshape(-1, 28, 28)


def settled(page, state):
    """Wait until the address says so."""
    page.wait_for_function("state => location.hash === state", arg=state)


@pytest.fixture(scope="module")
def ours(run_of):
    return lambda model: cgan_raw.load(run_of(model), "cpu")


# Drawing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["simd", "plain"])
def test_typed_number_is_the_commands_picture(kernels, conditional, visit, ours):
    page, generator = visit(conditional), ours(conditional)
    assert page.is_checked("[value=simd]")
    page.check(f"[value={kernels}]")
    for number, seed in (("2026", 0), ("0123456789", 0), ("7", 12345), ("31", 2**64 - 1)):
        page.fill("#number", number)
        page.fill("#seed", str(seed))
        settled(page, state(number=number, seed=seed))
        assert_same(pixels(page), lambda n=number, s=seed: generator.sample(n, seed=s).images)
        said = f"python -m cgan_raw.sample RUN --digits {number} --count 1 --seed {seed}"
        assert page.inner_text("#command code") == said


def state(number="2026", seed=0, **more):
    given = {"number": number, "seed": seed, **more}
    usual = {"number": "2026", "seed": 0, "walk": 0, "morph": 0}
    changed = [f"{name}={value}" for name, value in given.items() if value != usual.get(name)]
    return f"#{'&'.join(changed)}" if changed else ""


def test_plain_gan(visit, ours):
    page = visit("gan")
    assert not page.is_visible("#number")
    assert not page.is_visible("#morph")
    page.fill("#seed", "9")
    settled(page, "#seed=9")
    assert_same(pixels(page), lambda: ours("gan").sample(count=4, seed=9).images)
    assert page.inner_text("#command code") == "python -m cgan_raw.sample RUN --count 4 --seed 9"


def test_half(visit, ours):
    page = visit("cgan --half", "#number=8")
    page.wait_for_function("() => document.querySelectorAll('#digits canvas').length === 1")
    difference = np.abs(pixels(page).astype(int) - ours("cgan").sample("8").images)
    assert np.count_nonzero(difference) > 0
    assert difference.max() <= 2


def test_walk_is_between_two_seeds(visit, ours):
    page = visit()
    page.fill("#walk", "25")
    settled(page, "#walk=25")
    generator = ours("cgan")
    ends = [noise(generator._backend, 4, seed) for seed in (0, 1)]
    ways = sheets.between_noises(np.stack(ends, axis=1).reshape(8, 100), 5)
    sampler = Sampler(generator._parameters, ways[:, 1].astype(np.float32), np.array([2, 0, 2, 6]))
    assert_same(pixels(page), sampler.images)
    assert not page.is_visible("#command")
    page.fill("#walk", "100")
    settled(page, "#walk=100")
    assert_same(pixels(page), lambda: generator.sample("2026", seed=1).images)


def test_morph_is_the_commands(conditional, visit, ours):
    page, generator = visit(conditional, "#number=3&into=8&seed=4"), ours(conditional)
    for step in range(5):
        page.fill("#morph", str(25 * step))
        settled(page, state(3, 4, into=8, morph=25 * step))
        assert_same(pixels(page), lambda k=step: generator.morph(3, 8, 5, seed=4).images[k : k + 1])


def test_morph_leaves_what_the_other_number_lacks(visit, ours):
    page = visit(state="#number=55&into=7&morph=100")
    assert_same(pixels(page), lambda: ours("cgan").sample("75").images)


def test_without_simd_the_page_goes_on(visit, ours, page_of, tmp_path):
    copy = shutil.copytree(page_of("cgan"), tmp_path / "page")
    (copy / "dense.wasm").write_bytes(b"\0asm\1\0\0\0 no kernel")
    page = visit(folder=copy)
    assert page.is_disabled("[value=simd]")
    assert_same(pixels(page), lambda: ours("cgan").sample("2026").images)


def test_first_picture_is_there_before_the_weights(visit, ours):
    page = visit(ready=False)
    page.route("**/generator.safetensors", lambda route: None)
    page.reload()
    page.wait_for_selector("progress:not([hidden])", state="attached")
    drawn = page.evaluate("""async () => {
        const image = document.querySelector("#digits img"), canvas = document.createElement("canvas");
        await image.decode();
        Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight, id: "copy-of-it" });
        canvas.getContext("2d").drawImage(image, 0, 0);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return Array.from(data).filter((_, i) => i % 4 === 3);
    }""")
    row = np.array(drawn, np.uint8).reshape(28, 4, 28).transpose(1, 0, 2)
    np.testing.assert_array_equal(row, ours("cgan").sample("2026").images)


# Using it ----------------------------------------------------------------------------------------------------


def test_shared_address_and_reload_are_the_same_picture(visit):
    page = visit()
    for place, value in {"#number": "18", "#seed": "5", "#walk": "30", "#into": "24", "#morph": "60"}.items():
        page.fill(place, value)
    settled(page, "#number=18&seed=5&walk=30&into=24&morph=60")
    drawn, address = pixels(page), page.evaluate("location.hash")
    page.reload()
    page.wait_for_selector("#hands canvas")
    np.testing.assert_array_equal(pixels(page), drawn)
    np.testing.assert_array_equal(pixels(visit(state=address)), drawn)
    assert len(drawn) == 2


def test_link_is_copied(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.fill("#number", "5")
    page.click("#copy")
    page.wait_for_function("() => document.querySelector('#copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").endswith("#number=5")


def test_seed_is_chosen_by_its_picture_with_mouse_and_keys(visit, ours):
    page = visit(state="#seed=3")
    assert page.get_by_role("radio", name="Seed 3").is_checked()
    shown = pixels_of_hands(page)
    page.get_by_role("radio", name="Seed 7").click()
    settled(page, "#seed=7")
    np.testing.assert_array_equal(shown[7], pixels(page))
    page.keyboard.press("ArrowRight")
    settled(page, "#seed=8")
    assert_same(pixels(page), lambda: ours("cgan").sample("2026", seed=8).images)
    for button, seed in (("#after", 9), ("#after", 10), ("#before", 9)):
        page.click(button)
        settled(page, f"#seed={seed}")
    page.click("#any")
    page.wait_for_function("() => location.hash !== '#seed=9'")


def pixels_of_hands(page):
    """(10, 4, 28, 28), once all are drawn."""
    page.wait_for_timeout(300)
    return pixels(page, "#hands canvas").reshape(10, 28, 4, 28).transpose(0, 2, 1, 3)


def test_play_walks_on(visit):
    page = visit()
    page.click("#play")
    page.wait_for_function("() => Number(document.querySelector('#walk').value) > 3")
    page.wait_for_function("() => Number(document.querySelector('#seed').value) >= 1")
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    page.wait_for_function("() => location.hash.includes('seed=')")


def test_play_without_motion_goes_from_seed_to_seed(visit):
    page = visit(reduced_motion="reduce")
    page.click("#play")
    ways = page.evaluate("""() => new Promise((done) => {
        const seen = new Set();
        const look = () => {
            seen.add(document.querySelector("#walk").value);
            if (document.querySelector("#seed").value === "1") done([...seen]);
            else requestAnimationFrame(look);
        };
        look();
    })""")
    assert ways == ["0"]


def test_what_is_no_digit_is_left_out(visit):
    page = visit(state="#number=1x2&seed=99999999999999999999&walk=7")
    assert page.input_value("#number") == "12"
    assert page.input_value("#seed") == str(2**64 - 1)
    page.fill("#number", "")
    page.wait_for_function("() => document.querySelectorAll('#digits canvas').length === 0")
    page.fill("#number", "a4b")
    page.wait_for_function("() => document.querySelectorAll('#digits canvas').length === 1")
    assert page.input_value("#number") == "4"


# How it looks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize("state", ["", "#number=314159265358&walk=50&morph=50&seed=18446744073709551615"])
def test_nothing_stands_out_to_the_side(size, state, model, visit):
    page = visit(model, state, size)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for box in page.eval_on_selector_all(
        "main *", "all => all.map(e => e.getBoundingClientRect()).map(r => [r.left, r.right])"
    ):
        assert box[0] >= 0
        assert box[1] <= WIDTHS[size][0]


@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(size, scheme, model, visit):
    script = HERE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        pytest.skip("needs axe-core (make web-test installs it)")
    page = visit(model, size=size, color_scheme=scheme, bypass_csp=True)
    page.add_script_tag(path=script)
    result = page.evaluate("axe.run()")
    assert len(result["passes"]) > 20
    assert [(found["id"], [node["html"] for node in found["nodes"]]) for found in result["violations"]] == []


def test_dark_ink_is_light(visit):
    looks = []
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        looks.append(page.eval_on_selector("#digits canvas", "canvas => getComputedStyle(canvas).filter"))
    assert looks == ["none", "invert(1)"]


# What goes wrong ---------------------------------------------------------------------------------------------


def spoil(page_folder, folder, change):
    copy = shutil.copytree(page_folder, folder / "page")
    weights = copy / "generator.safetensors"
    content = change(weights.read_bytes())
    weights.unlink() if content is None else weights.write_bytes(content)
    return copy


SPOILT = {
    "missing": (lambda content: None, "generator.safetensors is missing: the server answers 404"),
    "cut short": (lambda content: content[:-1000], "generator.safetensors is cut short: "),
    "empty": (lambda content: b"", "cut short: 0 bytes have come"),
    "another file": (lambda content: b"<!doctype html>" * 9, "not a file of safetensors"),
    "a checkpoint": (
        lambda content: content.replace(b'"cgan_raw":', b'"gan_crow":'),
        "do not say of which network",
    ),
    "another network": (lambda content: content.replace(b'"side\\": 28', b'"side\\": 27'), "another network"),
    "an op": (lambda content: content.replace(b"tanh_forward", b"sinh_forward"), "not here: sinh_forward"),
    "a name": (lambda content: content.replace(b'"dense0.bias":', b'"dense0.bios":'), "have no dense0.bias"),
    "a size": (
        lambda content: content.replace(b"2, 1, 14, 14, 64, 7,", b"2, 1, 14, 14, 64, 8,"),
        "transposed0.weight of the weights has another size",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_bad_weights_are_told(how, visit, page_of, tmp_path):
    change, told = SPOILT[how]
    page = visit(folder=spoil(page_of("dcgan" if how == "a size" else "cgan"), tmp_path, change), ready=False)
    page.wait_for_selector("#problem:not([hidden])")
    assert told in page.inner_text("#problem")
    assert not page.is_visible("progress")


def test_page_that_is_opened_as_a_file_says_what_it_needs(browser, page_of):
    context = browser.new_context()
    page = context.new_page()
    page.goto((page_of("cgan") / "index.html").as_uri())
    page.wait_for_function("() => getComputedStyle(document.querySelector('#help')).visibility === 'visible'")
    assert "python -m http.server" in page.inner_text("#help")
    context.close()


def test_help_is_gone_where_the_page_works(visit):
    assert visit().query_selector("#help") is None
