#!/usr/bin/env python3
"""A picture of a page that lira-report has written, such as docs/report_page.png.

    scripts/train_shadows.sh configs/digits.flags runs/digits
    python scripts/picture_of_page.py runs/digits/report/index.html docs/report_page.png

It needs Chromium, its driver (apt-get install chromium chromium-driver) and selenium, which the
tests install. --height=0 takes the whole page.
"""

import argparse
import io
import pathlib
import shutil

from PIL import Image
from selenium import webdriver

WIDTH = 1100
COLOURS = 64


def picture(page: pathlib.Path, height: int) -> Image.Image:
    """The page as a window of WIDTH pixels shows it, from its top down."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for option in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(option)
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    try:
        driver.set_window_size(WIDTH, 900)
        driver.get(page.resolve().as_uri())
        whole = driver.execute_script("return document.documentElement.scrollHeight")
        size = {"width": WIDTH, "height": height or whole, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.implicitly_wait(10)
        driver.find_element("css selector", ".main-svg")  # a chart is drawn
        shot = Image.open(io.BytesIO(driver.get_screenshot_as_png()))
    finally:
        driver.quit()
    return shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("png", type=pathlib.Path)
    parser.add_argument("--height", type=int, default=1960, help="pixels; 0: the whole page")
    given = parser.parse_args()
    picture(given.page, given.height).save(given.png, optimize=True)


if __name__ == "__main__":
    main()
