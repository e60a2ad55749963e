# Part 3 as a reader types it from the text: what SciPy no longer has is Pillow's and imageio's here, nothing else
import imageio.v2 as imageio
import numpy as np
from PIL import Image

""" Reads in the image (part of get_image function)
"""
def imread(path):
    return np.array(Image.open(path).convert('RGB')).astype(float)

""" Transforms the image by cropping and resizing and
normalises intensity values between -1 and 1
"""
def transform(image, npx=64, is_crop=True):
    if is_crop:
        cropped_image = center_crop(image, npx)
    else:
        cropped_image = image
    return np.array(cropped_image)/127.5 - 1.

""" Crops the input image at the centre pixel
"""
def center_crop(x, crop_h, crop_w=None, resize_w=64):
    if crop_w is None:
        crop_w = crop_h
    h, w = x.shape[:2]
    j = int(round((h - crop_h)/2.))
    i = int(round((w - crop_w)/2.))
    cropped = Image.fromarray(x[j:j+crop_h, i:i+crop_w].astype(np.uint8))
    return np.array(cropped.resize((resize_w, resize_w), Image.BILINEAR))

""" Loads the image and crops it to the size wanted
"""
def get_image(image_path, image_size, is_crop=True):
    return transform(imread(image_path), image_size, is_crop)

""" This turns the image's intensities back to [0, 1]
"""
def inverse_transform(images):
    return (images+1.)/2.

""" Takes a set of 'images' and creates an array from them.
"""
def merge(images, size):
    h, w = images.shape[1], images.shape[2]
    img = np.zeros((int(h * size[0]), int(w * size[1]), 3))
    for idx, image in enumerate(images):
        i = idx % size[1]
        j = idx // size[1]
        img[j*h:j*h+h, i*w:i*w+w, :] = image
    return img

""" Takes the image and saves it
"""
def imsave(images, size, path):
    img = merge(images, size)
    return imageio.imwrite(path, (255*img).astype(np.uint8))

""" Takes the images that the network has made and saves them
"""
def save_images(images, size, image_path):
    return imsave(inverse_transform(images), size, image_path)
