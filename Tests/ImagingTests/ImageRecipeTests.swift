import FileTestSupport
import Imaging
import Testing

/// The rules of other programs: sizes, crops and transparency, as numbers that Python printed.
struct ImageRecipeTests {
  static let names: [ImageRecipe.Name] = [.adm, .torchvision, .chameleon, .tessera]

  /// Width, height and size, then the scaled sizes of `names`: by `round` of a product of doubles, by
  /// `int(size * long / short)`, and this program's rounding to the nearest.
  static let sizes: [(Int, Int, Int, [(Int, Int)])] = [
    (481, 321, 256, [(384, 256), (383, 256), (384, 256), (384, 256)]),
    (321, 481, 256, [(256, 384), (256, 383), (256, 384), (256, 384)]),
    (5, 2, 1, [(2, 1), (2, 1), (2, 1), (3, 1)]),
    (3, 2, 1, [(1, 1), (1, 1), (2, 1), (2, 1)]),
    (1201, 800, 128, [(192, 128), (192, 128), (192, 128), (192, 128)]),
    (256, 256, 256, [(256, 256), (256, 256), (256, 256), (256, 256)]),
    (1, 7, 3, [(3, 21), (3, 21), (3, 21), (3, 21)]),
  ]

  @Test(arguments: sizes.indices)
  func `sides are rounded as each program does it`(number: Int) {
    let (width, height, side, expected) = Self.sizes[number]
    for (name, size) in zip(Self.names, expected) {
      let found = ImageRecipe(name).scaledSize(width: width, height: height, to: side)
      #expect(found == size, "\(name)")
      let scaled = ImageRecipe(name).scaled(Pattern.noise(width, height), to: side)
      #expect((scaled.width, scaled.height) == size, "\(name)")
    }
    #expect(
      ImageRecipe(.diffusers).scaledSize(width: width, height: height, to: side) == (side, side))
  }

  @Test func `the crop of torchvision is half to even, the others' rounds down`() {
    // [int(round(d / 2.0)) for d in range(12)]
    let even = [0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6]
    #expect((0..<12).map(ImageRecipe(.torchvision).cropOffset) == even)
    for name in ImageRecipe.Name.allCases where name != .torchvision {
      #expect((0..<12).map(ImageRecipe(name).cropOffset) == (0..<12).map { $0 / 2 })
    }
  }

  @Test func `halvings by boxes come before ADM's bicubic`() {
    let image = Pattern.noise(67, 41)
    let expected = image.resizedAsPillow(to: 33, 20, filter: .box)
      .resizedAsPillow(to: 16, 10, filter: .box).resizedAsPillow(to: 13, 8, filter: .bicubic)
    #expect(ImageRecipe(.adm).scaled(image, to: 8) == expected)
    #expect(
      ImageRecipe(.chameleon).scaled(image, to: 8)
        == image.resizedAsPillow(to: 13, 8, filter: .lanczos))
  }

  @Test func `filters are those of the program, or of torchvision's choice`() {
    let image = Pattern.noise(20, 15)
    for filter in ImageRecipe.filters {
      let recipe = ImageRecipe(.torchvision, filter: filter)
      #expect(recipe.scaled(image, to: 6) == image.resizedAsPillow(to: 8, 6, filter: filter))
    }
    #expect(ImageRecipe(.torchvision) == ImageRecipe(.torchvision, filter: .bilinear))
    #expect(ImageRecipe(.adm, filter: .lanczos) == ImageRecipe(.adm))
    #expect(
      ImageRecipe(.diffusers).filled(image, width: 9, height: 30)
        == image.resizedAsPillow(to: 9, 30, filter: .lanczos))
    #expect(
      ImageRecipe.tessera.filled(image, width: 9, height: 7)
        == image.resizedToFill(width: 9, height: 7))
  }

  @Test(.enabled(if: PythonPeer.pillow.isHere, "\(PythonPeer.pillow.absence)"))
  func `files are decoded as Pillow's programs do`() throws {
    // All pairs of alpha and gray, with a third channel, in 8 bits; and an orientation tag.
    let script = """
      import sys, numpy
      from PIL import Image, ImageOps
      folder = sys.argv[1]
      a, c = numpy.mgrid[0:256, 0:256].astype(numpy.uint8)
      rgba = numpy.stack([c, 255 - c, a ^ c, a], axis=2)
      image = Image.fromarray(rgba)
      image.save(folder + "/alpha.png")
      alpha = rgba[:, :, 3] / 255.0
      over = (1 - alpha[:, :, None]) * 255 + alpha[:, :, None] * rgba[:, :, :3]
      Image.fromarray(over.astype(numpy.uint8)).save(folder + "/over.png")
      image.convert("RGB").save(folder + "/dropped.png")
      tag = Image.Exif()
      tag[0x112] = 6
      image.convert("RGB").crop((0, 0, 64, 48)).save(folder + "/turned.jpg", exif=tag)
      turned = Image.open(folder + "/turned.jpg")
      turned.convert("RGB").save(folder + "/stored.png")
      ImageOps.exif_transpose(turned).convert("RGB").save(folder + "/upright.png")
      """
    let folder = try ScratchFolder()
    _ = try PythonPeer.pillow.run(script: script, [folder.path])
    func read(_ name: String, _ recipe: ImageRecipe.Name = .tessera) throws -> Image {
      try ImageRecipe(recipe).decoder(background: .white).read(folder.file(name))
    }
    #expect(try read("alpha.png", .chameleon) == read("over.png"))
    for name in [ImageRecipe.Name.adm, .torchvision, .diffusers] {
      #expect(try read("alpha.png", name) == read("dropped.png"))
    }
    // It rounds to the nearest, so that it is another one.
    #expect(try read("alpha.png") != read("over.png"))
    for name in [ImageRecipe.Name.adm, .torchvision, .chameleon] {
      #expect(try read("turned.jpg", name) == read("stored.png"))
    }
    #expect(try read("turned.jpg", .diffusers) == read("upright.png"))
    #expect(try read("turned.jpg") == read("upright.png"))
  }
}
