"""Part 2 of the tutorial, the data: draws the sample set of aligned 64x64 faces, `data/aligned`.

    python data/make_faces.py OUT --count 5000 --seed 1 --size 64

The faces are drawn, not photographed: these people do not exist. A height map of a head is lit from a random side, and
skin, eyes, brows, lips, beard, hair and glasses are painted on it, so that a DCGAN can be trained at once, without a
download. They replace photographs and show less variety; see data/README.md for real ones.

Every face is framed like the tutorial's aligned photographs: eyes and mouth corners are near TEMPLATE. Places are
fractions of the picture (0 to 1, x to the right, y down); "left" and "right" are as seen in the picture. Face
coordinates are the same fractions with x = 0 in the middle of the face, after the head's roll and turn are undone.
"""
import io
import os
import re
import sys

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from gantut.errors import UserError, is_there, write_whole
from gantut.images import EXTENSIONS
from gantut.paths import new_data
from gantut.scripts import argument_parser, run

CANVAS = 192  # faces are drawn at this size in pixels, then scaled to the size asked for
# as align_faces.py places them
TEMPLATE = {"left_eye": (.28, .15), "right_eye": (.72, .15), "mouth_left": (.31, .635), "mouth_right": (.70, .635)}
SKINS = [(244, 214, 196), (236, 196, 170), (226, 178, 146), (196, 144, 108), (154, 104, 74), (112, 72, 50),
         (76, 48, 36)]
HAIRS = {"black": (24, 20, 20), "brown": (66, 42, 28), "chestnut": (108, 64, 36), "blond": (222, 182, 120),
         "red": (160, 72, 30), "grey": (168, 166, 164)}
IRISES = [(62, 36, 20), (96, 60, 30), (90, 110, 60), (80, 125, 165), (110, 130, 140)]


def planes(*rgb):
    """Three numbers as an array [3, 1, 1]. Pictures are painted as [3, S, S], so that masks just multiply."""
    return np.reshape(rgb, (3, 1, 1))


def linear(rgb):
    """Display colour, 0 to 255, as linear light, 0 to 1, [3, 1, 1]."""
    return (planes(*rgb) / 255) ** 2.2


def face_traits(rng):
    """Choose a face with `rng` (np.random.RandomState): a dict of numbers, names and the four landmarks."""
    man, age, tone = rng.uniform() < .5, rng.beta(1.3, 2.2), rng.beta(.9, 1.3) * (len(SKINS) - 1)
    t = {"man": man, "age": age, "smile": rng.uniform(-.25, 1.), "yaw": np.clip(rng.normal(0, .13), -.27, .27),
         "roll": rng.normal(0, .02), "gaze": rng.normal(0, .007, 2)}
    t["open"] = max(0., rng.uniform(-.7, 1.)) * (.6 + .4 * max(0., t["smile"]))
    t.update(landmarks(rng, t["roll"], t["smile"]))
    t["skin"] = np.array([np.interp(tone, range(len(SKINS)), c) for c in zip(*SKINS)]) * rng.uniform(.98, 1.02, 3)
    odds = [.3, .22, .16, .2, .12] if tone < 2.6 else [.75, .2, .03, .01, .01]
    hair = "grey" if rng.uniform() < age - .4 else rng.choice(["black", "brown", "chestnut", "blond", "red"], p=odds)
    t["hair"] = np.array(HAIRS[hair]) * rng.uniform(.8, 1.15)
    t["iris"] = IRISES[rng.choice(5, p=[.2, .25, .2, .2, .15] if tone < 2.2 else [.72, .28, 0, 0, 0])]
    t["style"] = rng.choice(["short", "bald", "fringe", "long", "tied"],
                            p=[.58, .17, .12, .08, .05] if man else [.08, .01, .25, .51, .15])
    t["curly"], t["part"], t["lock"] = rng.uniform() < .3, rng.uniform(-.6, .6), rng.uniform(-.06, .02)
    t["beard"] = rng.choice(["none", "stubble", "full", "moustache", "goatee"],
                            p=[.46, .18, .18, .09, .09] if man else [1, 0, 0, 0, 0])
    t["glasses"] = rng.choice(["none", "round", "square"], p=[.82, .08, .10])
    t["lipstick"] = 0. if man else max(0., rng.uniform(-.6, 1.))
    t["width"], t["chin"] = rng.uniform(.43, .51), rng.uniform(.885, .955) + .02 * t["open"]
    t["jaw"] = rng.uniform(1.7, 2.6) + .5 * man
    t["eye_w"], t["eye_h"], t["tilt"] = rng.uniform(.088, .108), rng.uniform(.034, .050), rng.normal(.05, .06)
    t["brow"], t["brow_y"] = rng.uniform(.018, .03) + .009 * man, rng.uniform(.085, .115)
    t["brow_arch"], t["brow_tilt"] = rng.uniform(.01, .04), rng.normal(0, .07)
    t["nose_w"], t["nose_y"], t["nose_h"] = rng.uniform(.075, .115), rng.uniform(.405, .455), rng.uniform(.8, 1.25)
    t["lip_up"], t["lip_low"] = rng.uniform(.025, .055) - .008 * man, rng.uniform(.04, .075) - .006 * man
    t["light"] = rng.uniform(-1.4, 1.4), rng.uniform(-1., -.1)
    t["ambient"], t["gain"], t["cast"] = rng.uniform(.18, .40), rng.uniform(.8, 1.1), rng.normal(1, .025, 3)
    t["ground"] = rng.uniform(15, 235) * .6 + rng.uniform(15, 235, 3) * .4
    t["spot"], t["cloth"] = rng.uniform(-.6, .6, 3), rng.uniform(10, 230) * .5 + rng.uniform(10, 230, 3) * .5
    return t


def landmarks(rng, roll, smile):
    """Random places of eyes and mouth corners, as fractions of the picture, around TEMPLATE (spread 0.01 to 0.02)."""
    eye_gap, eye_y, mouth_gap, mouth_y, x_all = rng.normal(0, [.008, .009, .011, .012, .006])
    mouth_gap += .02 * (smile - .4)
    shift = {"left_eye": (-eye_gap, eye_y), "right_eye": (eye_gap, eye_y),
             "mouth_left": (-mouth_gap, mouth_y), "mouth_right": (mouth_gap, mouth_y)}
    points = {}
    for name, (x, y) in TEMPLATE.items():
        dx, dy = np.array(shift[name]) + rng.normal(0, .004, 2)
        points[name] = (x + dx + x_all - roll * (y - .4), y + dy + roll * (x - .5))
    return points


def to_face(u, v, t):
    """Picture fractions to face coordinates. Turning the head moves its middle to one side, its outline to the other.
    """
    x, y = u - .5, v - .4
    x, y = x + t["roll"] * y, y - t["roll"] * x + .4
    return x - t["yaw"] * (.08 - 1.8 * np.minimum(x * x, .36)), y


def blob(x, y, cx, cy, sx, sy):
    """A soft spot: 1 at (cx, cy), falling as a Gaussian of widths sx and sy."""
    return np.exp(-((x - cx) / sx) ** 2 / 2 - ((y - cy) / sy) ** 2 / 2)


def inside(d, soft=.012):
    """A mask from distances: 1 where d < 0, 0 where d > 0, with an edge `soft` wide."""
    return np.clip(.5 - d / soft, 0, 1)


def stroke(d, width):
    """A soft line: 1 where d = 0, falling as a Gaussian to 1/e at `width`."""
    return np.exp(-(d / width) ** 2)


def paint(picture, colour, mask):
    """Paint linear `colour` over `picture`, both [3, S, S], in place, with the opacity `mask` [S, S], 0 to 1."""
    picture += mask * (colour - picture)


def strands(rng, down, across):
    """Noise of mean 0 and standard deviation 1, [S, S]; `down` and `across` are its grain in picture widths."""
    noise = gaussian_filter(rng.normal(size=(CANVAS, CANVAS)), (down * CANVAS, across * CANVAS), mode="wrap")
    return noise / noise.std()


def outline(x, y, t):
    """Distance from the edge of the face, negative inside: a jaw narrowing to the chin, cheeks, temples."""
    down = np.clip((y - .22) / (t["chin"] - .22), 0, None)
    up = np.clip((.22 - y) / .7, 0, None)
    d = (np.abs(x) / t["width"]) ** 2.2 + down ** t["jaw"] + up ** 2 - 1
    gy, gx = np.gradient(d, 1 / CANVAS)
    return d / np.maximum(np.hypot(gx, gy), .5)


def mouth_lines(x, left, right, t):
    """The position p along the mouth (-1 to 1 between its corners), its arch, and the lips' four edges, y; [S, S] each.
    """
    p = (x - (left[0] + right[0]) / 2) / ((right[0] - left[0]) / 2)
    arch = np.clip(1 - p * p, 0, 1)
    middle = left[1] + (right[1] - left[1]) * (p + 1) / 2 + .035 * t["smile"] * arch
    gap = .11 * t["open"] * arch ** .7
    top, bottom = middle - .35 * gap, middle + .65 * gap
    cupid = 1 - .3 * stroke(p, .13)
    return p, arch, (top - t["lip_up"] * cupid * arch ** .7, top, bottom, bottom + t["lip_low"] * arch ** .6)


def height_map(x, y, eyes, mouth, t):
    """The height of the skin, [S, S], in picture widths: a round head with brow ridge, sockets, nose and lips."""
    z = .42 * np.sqrt(np.clip(1.05 - (x / (t["width"] + .06)) ** 2 - ((y - .38) / .85) ** 2, .02, None))
    tip = t["nose_y"]
    for ex, ey in eyes:
        z += .016 * blob(x, y, ex, ey - .12, .11, .035) - .040 * blob(x, y, ex * .95, ey - .01, .085, .06)
        z += .022 * blob(x, y, ex, ey, .055, .04)
        z += (.02 + .012 * t["smile"]) * blob(x, y, ex * 1.15, .40, .09, .07)
    bend = t["yaw"] * .25  # the nose stands out, so a turn of the head moves it more than the face around it
    along = np.clip((y - .08) / (tip - .08), 0, 1)
    ridge = stroke(x - bend * along, .05 + .035 * along) * along * inside(y - tip - .03, .05)
    z += t["nose_h"] * (.07 * ridge + .045 * blob(x, y, bend, tip, .045, .04))
    for side in (-1, 1):
        z += .035 * t["nose_h"] * blob(x, y, bend * .8 + side * t["nose_w"] * .8, tip + .02, .03, .028)
    p, arch, (up, top, bottom, low) = mouth
    z += .03 * blob(x, y, 0, .62, .17, .09)
    for middle, tall, out in ((up + top) / 2, .020, .016), ((bottom + low) / 2, .026, .022), (low + .035, .022, -.014):
        z += out * stroke(y - middle, tall) * arch
    return z + .035 * blob(x, y, 0, t["chin"] - .07, .10, .045)


def lighting(z, t):
    """Light on the heights z: (shade, gloss), [S, S] each, from one lamp and the sky around it."""
    gy, gx = np.gradient(gaussian_filter(z, .006 * CANVAS), 1 / CANVAS)
    length = np.sqrt(gx * gx + gy * gy + 1)
    lamp = np.array([*t["light"], 1.]) / np.linalg.norm([*t["light"], 1.])
    facing = (-gx * lamp[0] - gy * lamp[1] + lamp[2]) / length
    half = (lamp + [0, 0, 1]) / np.linalg.norm(lamp + [0, 0, 1])  # half way between the lamp and the eye
    gloss = np.clip((-gx * half[0] - gy * half[1] + half[2]) / length, 0, 1) ** 24
    sky = .6 + .4 * (.5 * gy + 1) / length
    return t["ambient"] * sky + (1.1 - t["ambient"]) * np.clip((facing + .15) / 1.15, 0, 1), gloss


def creases(x, y, eyes, mouth, t):
    """Dark places, [S, S], 0 to 1: inner sockets, under the nose, beside the mouth, under the lip."""
    p, arch, (up, top, bottom, low) = mouth
    bend, tip = t["yaw"] * .22, t["nose_y"]
    dark = .30 * blob(x, y, bend, tip + .065, .07, .018)
    for side, (ex, ey) in zip((-1, 1), eyes):
        dark += .32 * blob(x, y, ex * .55, ey - .02, .035, .045) + .15 * blob(x, y, ex, ey - .055, .09, .02)
        dark += (.08 + .25 * t["age"]) * blob(x, y, ex * .93, ey + .075, .06, .012)
        dark += .7 * blob(x, y, bend + side * t["nose_w"] * .48, tip + .048, .022, .010)
        fold = side * (.125 + .125 * np.clip((y - tip) / .22, 0, 1.4) ** 1.3)
        depth = .03 + .15 * max(0, t["smile"]) + .2 * t["age"]
        dark += depth * stroke(x - fold - bend * .3, .028) * stroke(y - tip - .09, .085)
        dark += .3 * stroke(p - side * 1.03, .085) * stroke(y - top, .025)
    return np.clip(dark + .28 * stroke(y - low - .022, .014) * arch ** 2, 0, .9)


def paint_eye(face, x, y, centre, side, t):
    """One eye with its white, iris, pupil, lids and lashes on `face`; `side` is -1 for the picture's left eye."""
    dx, dy = (x - centre[0]) * side, y - centre[1]  # dx grows outwards, away from the nose
    dy = dy + t["tilt"] * dx
    arch = np.clip(1 - (dx / t["eye_w"]) ** 2, 0, 1)
    squint = 1 - .25 * max(0, t["smile"])
    upper, lower = -t["eye_h"] * 1.15 * squint * arch ** .7, t["eye_h"] * .85 * squint * arch ** .9
    opening = inside(upper - dy) * inside(dy - lower) * (arch > 0)
    shadow = .45 * np.exp(-(dy - upper).clip(0) / .014) + .25 * (1 - arch)  # of the upper lid, and in the corners
    paint(face, linear((232, 226, 222)) * (1 - shadow), opening)
    r = np.hypot(x - centre[0] - t["gaze"][0], y - centre[1] + .006 - t["gaze"][1])
    paint(face, linear(t["iris"]) * (1.25 - .75 * np.clip(r / .042, 0, 1) ** 4), opening * inside(r - .041))
    paint(face, linear((10, 8, 8)), opening * inside(r - .019))
    lash = .010 if t["man"] else .013 + .008 * t["lipstick"]
    lid = stroke(dy - upper + .003, lash) * (np.abs(dx) < t["eye_w"] * 1.06)
    paint(face, linear((22, 14, 12)), .95 * lid * arch ** .25)
    paint(face, linear((60, 34, 28)), .5 * stroke(dy - lower, .008) * (arch > 0))
    paint(face, face * .45, .8 * stroke(dy - upper + .030, .008) * arch ** .5)
    glint = np.hypot(x - centre[0] - .014 * np.sign(t["light"][0]), y - centre[1] + .016)
    paint(face, 1., opening * inside(glint - .010))


def paint_brow(face, x, y, eye, side, hairs, t):
    """One eyebrow above `eye`, thick at the nose and thin outside."""
    dx, dy = (x - eye[0]) * side, y - eye[1] + t["brow_y"]
    along = np.clip((dx + .125) / .26, 0, 1)
    middle = .028 - 4.2 * t["brow_arch"] * along * (1.25 - along) + t["brow_tilt"] * dx
    thick = t["brow"] * (1.1 - .75 * along ** 1.5)
    mask = inside(np.abs(dy - middle) - thick, .03) * inside(np.abs(dx - .005) - .13, .04)
    paint(face, linear(np.minimum(t["hair"] * .75, 130)), np.clip(mask * (.85 + .12 * hairs), 0, .95))


def paint_mouth(face, y, mouth, t):
    """Lips, and where they are open the dark of the mouth and the upper teeth."""
    p, arch, (up, top, bottom, low) = mouth
    lips = linear(t["skin"]) * planes(.80, .46, .48)
    lips += t["lipstick"] * (linear((186, 36, 58)) - lips)
    within = arch > 0
    paint(face, lips * .78, .9 * inside(up - y, .016) * inside(y - top) * within)
    paint(face, lips * 1.05, .9 * inside(bottom - y) * inside(y - low, .02) * within)
    hole = inside(top - y, .008) * inside(y - bottom, .008) * within * np.clip((bottom - top) / .012, 0, 1)
    paint(face, linear((52, 14, 16)), hole)
    teeth = inside(y - top - np.minimum(.8 * (bottom - top), .045)) * inside(np.abs(p) - .80, .25)
    paint(face, linear((238, 230, 216)) * (1 - .5 * p ** 2).clip(0, 1), hole * teeth)
    paint(face, lips * .12, .85 * stroke(y - top, .007) * arch ** .4 * within)


def paint_beard(face, x, y, mouth, hairs, t):
    """Moustache, goatee, full beard or stubble, not on the lips."""
    p, arch, (up, top, bottom, low) = mouth
    lips = inside(up - y - .004, .02) * inside(y - low, .02) * (arch > 0)
    above = inside(np.abs(y - up + .025 - .05 * p * p) - .024 - .006 * hairs, .03) * inside(np.abs(x) - .23, .05)
    chin = inside(np.hypot(x / 1.15, (y - .80) / 1.1) - .15, .05)
    frame = inside(np.abs(np.hypot(x / .235, (y - .68) / .20) - 1) - .2, .25) * inside(.56 - y, .06)
    jaw = np.clip((y - .30 - .42 * np.exp(-(x / .30) ** 6)) / .07, 0, 1)
    parts = {"moustache": above, "goatee": np.maximum(np.maximum(above, chin), frame)}
    mask = parts.get(t["beard"], np.maximum(np.maximum(above, jaw), frame)) * (1 - lips)
    dense = .38 if t["beard"] == "stubble" else .88
    paint(face, linear(t["hair"] * .8) * (1 + .2 * hairs).clip(.3, 2), np.clip(mask * (dense + .07 * hairs), 0, 1))


def paint_hair(picture, x, y, hairs, t, front):
    """The hair behind the face, or with `front` the hair over it: temples, fringe and side locks."""
    if t["style"] == "bald":
        return
    away, wave = np.abs(x), (.014 if t["curly"] else .010) * hairs
    if front:
        line = {"short": .41, "fringe": .40, "long": .43, "tied": .45}[t["style"]]
        reach = {"short": .30, "fringe": .42, "long": 2., "tied": .12}[t["style"]]
        side = line + t["lock"] + .06 * np.clip(y / .2, 0, 1) + .04 * t["part"] * np.sign(x) + wave
        mask = inside(side - away - .25 * np.clip(-y + .06, 0, 1), .03) * inside(y - reach - wave, .08)
        if t["style"] == "fringe":
            mask = np.maximum(mask, inside(y - .045 - .10 * np.abs(x - .3 * t["part"]) - .7 * wave, .025))
    else:
        outer = {"short": .53, "fringe": .55, "long": .62, "tied": .51}[t["style"]]
        reach = {"short": .20, "fringe": .5, "long": 2., "tied": .2}[t["style"]]
        mask = inside(away - outer - wave, .04) * inside(y - reach - wave, .10)
    lit = .55 + .35 * np.clip(.5 + x * t["light"][0], 0, 1) + .25 * stroke(y - .22, .17)
    colour = linear(t["hair"]) * (lit * (1 + (.20 if t["curly"] else .30) * hairs)).clip(.15, 2)
    paint(picture, colour * (1. if front else .6), mask)


def paint_glasses(picture, x, y, eyes, t):
    """A thin frame round both eyes, a bridge, arms and a faint reflection."""
    if t["glasses"] == "none":
        return
    wide, high, power = (.165, .125, 2) if t["glasses"] == "round" else (.175, .115, 4.5)
    frame = np.zeros_like(x)
    for ex, ey in eyes:
        dx, dy = np.abs(x - ex * 1.02) / wide, (y - ey - .02) / high
        d = ((dx ** power + np.abs(dy) ** power) ** (1 / power) - 1) * high
        frame = np.maximum(frame, inside(np.abs(d) - .010))
        paint(picture, 1., .06 * inside(d) * np.clip(.5 - dy + dx, 0, 1))
    bridge = inside(np.abs(y - .145 - .6 * x * x) - .009) * inside(np.abs(x) - .06)
    arms = inside(np.abs(y - .13) - .010) * inside(.39 - np.abs(x))
    paint(picture, linear(t["cloth"] * .3), np.maximum(frame, np.maximum(bridge, arms)))


def paint_behind(picture, u, v, x, y, edge, hairs, t):
    """Background, then ears, neck and clothes, [3, S, S] in place."""
    sx, sy, bright = t["spot"]
    picture[:] = linear(t["ground"]) * (1 + bright * blob(u, v, .5 + sx, .6 + sy, .35, .35))
    paint_hair(picture, x, y, hairs, t, front=False)
    skin = linear(t["skin"])
    for side in (-1, 1):
        ear = np.hypot((x - side * (t["width"] + .01)) / .045, (y - .25) / .13) - 1
        paint(picture, skin * planes(.62, .50, .46), inside(ear, .2) * (t["style"] in ("short", "bald", "tied")))
    neck = inside(np.abs(x) - .30 - .05 * t["man"] - .1 * np.clip(y - .95, 0, 1), .04) * inside(.6 - y)
    shadow = 1 - .7 * np.exp(-edge.clip(0) / .06)
    paint(picture, skin * planes(.60, .50, .46) * shadow, neck)
    paint(picture, linear(t["cloth"]), inside(1.03 - .22 * np.abs(x) - y, .02) * inside(.6 - y))


def paint_face(x, y, eyes, mouth, edge, fine, t):
    """The lit face, linear [3, S, S]; the caller masks it with its outline."""
    face = linear(t["skin"]) * (1 + .02 * fine)
    for ex, _ in eyes:
        paint(face, face * planes(1, .68, .66), .55 * blob(x, y, ex * 1.2, .42, .10, .08))
    paint(face, face * planes(1, .75, .72), .5 * blob(x, y, t["yaw"] * .25, t["nose_y"], .06, .05))
    if t["beard"] != "none":
        paint_beard(face, x, y, mouth, fine, t)
    for side, eye in zip((-1, 1), eyes):
        paint_brow(face, x, y, eye, side, fine, t)
        paint_eye(face, x, y, eye, side, t)
    paint_mouth(face, y, mouth, t)
    shade, gloss = lighting(height_map(x, y, eyes, mouth, t), t)
    shade = shade * (1 - creases(x, y, eyes, mouth, t)) * (1 - .35 * np.exp(edge.clip(None, 0) / .05))
    for ex, ey in eyes:
        gloss = gloss * (1 - .85 * blob(x, y, ex, ey, .08, .04))  # eyes have their own glint
    return face * np.maximum(shade, .02) ** planes(.9, 1.05, 1.12) * 1.15 + .10 * (gloss * shade)


def draw_face(seed, index, size=64):
    """Picture `index` of the set `seed`: uint8 RGB [size, size, 3]. It depends only on these three numbers."""
    rng = np.random.RandomState([seed, index])
    t = face_traits(rng)
    v, u = (np.mgrid[:CANVAS, :CANVAS] + .5) / CANVAS
    x, y = to_face(u, v, t)
    place = {name: to_face(*t[name], t) for name in TEMPLATE}
    eyes = place["left_eye"], place["right_eye"]
    hairs = strands(rng, .022, .016) if t["curly"] else strands(rng, .055, .006)
    fine = strands(rng, .008, .0035)
    mouth = mouth_lines(x, place["mouth_left"], place["mouth_right"], t)
    edge = outline(x, y, t)
    picture = np.zeros((3, CANVAS, CANVAS))
    paint_behind(picture, u, v, x, y, edge, hairs, t)
    paint(picture, paint_face(x, y, eyes, mouth, edge, fine, t), inside(edge, .02))
    paint_hair(picture, x, y, hairs, t, front=True)
    paint_glasses(picture, x, y, eyes, t)
    picture = np.clip(picture * t["gain"] * planes(*t["cast"]), 0, None)
    picture = (picture / (1 + picture ** 4) ** .25) ** (1 / 2.2)  # bright places approach white gradually, as on film
    pixels = np.ascontiguousarray(np.uint8(picture * 255 + .5).transpose(1, 2, 0))
    return np.array(Image.fromarray(pixels).resize((size, size), Image.LANCZOS))


def check_output(folder):
    """Raise UserError if OUT is a file, or holds pictures that are not from this script."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise UserError(f"{folder} exists and is not a folder")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.lower().endswith(EXTENSIONS) and not re.fullmatch(r"face_\d{5,}\.jpg", name):
            raise UserError(f"{folder} holds other pictures ({name}); choose an empty or a new folder")


def save(face, path):
    """Write a face as JPEG, unless it is there; raises UserError if another picture is."""
    data = io.BytesIO()
    Image.fromarray(face).save(data, "JPEG", quality=90, subsampling=0, optimize=True)
    if not is_there(path):
        write_whole(path, data.getvalue())
    elif not same(path, data):
        raise UserError(f"{path} exists and is another picture; choose an empty or a new folder")


def same(*files):
    """Whether two JPEGs show the same, except for the rounding of another version of the library."""
    try:
        with Image.open(files[0]) as one, Image.open(files[1]) as other:
            return one.size == other.size and np.abs(np.int16(one.convert("RGB")) - np.int16(other)).mean() < 1
    except OSError as error:
        if error.errno:
            raise
        return False  # it is damaged, or no picture


def main():
    parser = argument_parser("Draw aligned faces as face_00000.jpg, face_00001.jpg, ...")
    parser.add_argument("out", nargs="?", type=os.path.expanduser, default=new_data("aligned"),
                        help="folder (default: data/aligned)")
    parser.add_argument("--count", type=int, default=5000, help="how many faces, 0 or more (default: 5000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other faces: 0 to 2**32 - 1 "
                                                            "(default: 1)")
    parser.add_argument("--size", type=int, default=64, help="width and height in pixels, 8 to 4096 (default: 64)")
    args = parser.parse_args()
    if args.count < 0 or not 8 <= args.size <= 4096 or not 0 <= args.seed < 2 ** 32:
        raise UserError("--count must be 0 or more, --size 8 to 4096, --seed 0 to 4294967295")
    try:
        check_output(args.out)
        os.makedirs(args.out, exist_ok=True)
        for index in tqdm(range(args.count), disable=None, unit="face"):
            save(draw_face(args.seed, index, args.size), os.path.join(args.out, f"face_{index:05d}.jpg"))
    except OSError as error:
        raise UserError(f"cannot write to {args.out}: {error.strerror or error}") from None


def command():
    """What gantut-faces calls."""
    run(main, "stopped; run the same command again to continue")


if __name__ == "__main__":
    command()
