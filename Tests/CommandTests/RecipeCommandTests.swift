import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

/// Ids of files under another program's recipe are those of images that Pillow prepared by its rules.
@Suite("Recipes of encode")
struct RecipeCommandTests {
  private let checkpoint: TinyCheckpoint
  private let folder: ScratchFolder

  init() throws {
    checkpoint = try TinyCheckpoint.of(.vq)
    folder = try ScratchFolder()
  }

  /// Draws files of all kinds into `in`, and prepares each by each rule, as the programs state it.
  private static let script = """
    import sys, pathlib, numpy
    from PIL import Image, ImageOps
    folder, s = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    source = folder / "in"
    source.mkdir()
    random = numpy.random.default_rng(0)
    for number, (w, h) in enumerate([(31, 90), (90, 31), (97, 64), (150, 131), (s, s), (33, 200), (21, 20)]):
        image = Image.fromarray(random.integers(0, 256, (h // 5 + 1, w // 5 + 1, 3)).astype(numpy.uint8))
        image = image.resize((w, h), Image.Resampling.BICUBIC)
        image.save(source / f"{number}.png")
        tag = Image.Exif()
        tag[0x112] = 6
        image.save(source / f"{number}.jpg", exif=tag, quality=90)
        image.putalpha(Image.fromarray(random.integers(0, 256, (h, w)).astype(numpy.uint8)))
        image.save(source / f"{number} alpha.png")

    def rgb(image):
        return image.convert("RGB")

    def white(image):
        if image.mode == "RGB":
            return image
        values = numpy.array(image.convert("RGBA"))
        alpha = values[:, :, 3:] / 255.0
        return Image.fromarray(((1 - alpha) * 255 + alpha * values[:, :, :3]).astype(numpy.uint8))

    def adm(image):
        while min(*image.size) >= 2 * s:
            image = image.resize(tuple(x // 2 for x in image.size), resample=Image.Resampling.BOX)
        scale = s / min(*image.size)
        image = image.resize(tuple(round(x * scale) for x in image.size), resample=Image.Resampling.BICUBIC)
        y, x = (image.height - s) // 2, (image.width - s) // 2
        return Image.fromarray(numpy.array(image)[y : y + s, x : x + s])

    def torchvision(filter):
        def prepare(image):
            w, h = image.size
            short, long = (w, h) if w <= h else (h, w)
            longer = int(s * long / short)
            image = image.resize((s, longer) if w <= h else (longer, s), filter)
            x, y = int(round((image.width - s) / 2.0)), int(round((image.height - s) / 2.0))
            return image.crop((x, y, x + s, y + s))
        return prepare

    def chameleon(image):
        scale = s / min(image.size)
        image = image.resize(tuple(round(scale * x) for x in image.size), Image.Resampling.LANCZOS)
        x, y = (image.width - s) // 2, (image.height - s) // 2
        return image.crop((x, y, x + s, y + s))

    def upright(image):
        return ImageOps.exif_transpose(image).convert("RGB")

    rules = {
        "adm": (rgb, adm),
        "torchvision": (rgb, torchvision(Image.Resampling.BILINEAR)),
        "torchvision bicubic": (rgb, torchvision(Image.Resampling.BICUBIC)),
        "torchvision lanczos": (rgb, torchvision(Image.Resampling.LANCZOS)),
        "chameleon": (white, chameleon),
        "diffusers": (upright, lambda image: image.resize((s, s), Image.Resampling.LANCZOS)),
    }
    for name, (opened, prepare) in rules.items():
        (folder / name).mkdir()
        for file in source.iterdir():
            prepare(opened(Image.open(file))).save(folder / name / (file.name + ".png"))
    """

  @Test(
    "ids of files are those of images prepared by Pillow",
    .enabled(if: PythonPeer.pillow.isHere, "\(PythonPeer.pillow.absence)"))
  func pillow() throws {
    let side = 32
    _ = try PythonPeer.pillow.run(script: Self.script, [folder.path, "\(side)"])
    func tokens(_ input: String, _ name: String, _ options: [String]) throws -> [[UInt32]] {
      let outcome = try checkpoint.encode(
        [folder.file(input)], to: folder.file(name), ["--threads", "2"] + options)
      #expect(outcome.code == 0, "\(outcome)")
      let file = try TokenFile.open(path: folder.file(name))
      return try (0..<file.count).map { try file.record(at: $0).tokens }
    }
    let ours = try tokens("in", "ours.safetensors", ["--size", "\(side)"])
    for rule in [
      "adm", "torchvision", "torchvision bicubic", "torchvision lanczos", "chameleon", "diffusers",
    ] {
      let words = rule.split(separator: " ").map(String.init)
      let theirs = try tokens(rule, "\(rule).npy", ["--size", "native"])
      #expect(theirs.count == 21)
      for size in ["model", "\(side)"] {
        let mine = try tokens(
          "in", "\(rule) \(size).npy",
          ["--size", size, "--recipe", words[0]] + (words.count > 1 ? ["--filter", words[1]] : []))
        #expect(mine == theirs, "\(rule), --size \(size)")
        #expect(mine != ours, "\(rule)")
      }
      let recipe = try TokenFile.open(path: folder.file("\(rule) model.npy")).recipe
      #expect(recipe.name == words[0])
      #expect(recipe.background == (rule == "chameleon" ? "white" : nil))
    }
  }

  @Test("a checkpoint's own recipe is that of --size model, and --recipe overrides it")
  func own() throws {
    for number in 0..<3 {
      try folder.write(SampleImages.png(61, 47, number: number), to: "in/\(number).png")
    }
    let copy = try folder.folder("adm")
    for name in ["config.json", "model.safetensors"] {
      try ScratchFolder.put(ScratchFolder.read(checkpoint.path + "/" + name), at: copy + "/" + name)
    }
    let path = copy + "/config.json"
    let text = String(decoding: try ScratchFolder.read(path), as: UTF8.self)
    let changed = text.replacing(
      "\"resize\": \"none\"", with: "\"resize\": \"cover\", \"recipe\": \"adm\"")
    #expect(changed != text)
    try ScratchFolder.put(Array(changed.utf8), at: path)
    func encode(_ checkpoint: String, _ name: String, _ options: [String]) throws -> [[UInt32]] {
      let outcome = try CommandRunner.run(
        "encode",
        ["--checkpoint", checkpoint, "--output", folder.file(name)] + options + [folder.file("in")])
      #expect(outcome.code == 0, "\(outcome)")
      let file = try TokenFile.open(path: folder.file(name))
      return try (0..<file.count).map { try file.record(at: $0).tokens }
    }
    let own = try encode(copy, "own.safetensors", ["--verify"])
    #expect(try encode(checkpoint.path, "asked.safetensors", ["--recipe", "adm"]) == own)
    let plain = try encode(checkpoint.path, "plain.safetensors", ["--size", "32"])
    #expect(plain != own)
    #expect(try encode(copy, "back.safetensors", ["--recipe", "tessera"]) == plain)
    // The network is the same, so either decodes what the other encodes.
    let decoded = try checkpoint.decode(folder.file("own.safetensors"), to: folder.file("out"))
    #expect(decoded.code == 0, "\(decoded)")
    let metadata = try SafetensorsFile(path: folder.file("own.safetensors")).metadata
    #expect(metadata["recipe"]?.contains(#""name":"adm""#) == true)
    #expect(
      try SafetensorsFile(path: folder.file("plain.safetensors")).metadata["recipe"]?
        .contains("name") == false)
  }

  @Test(
    "what a recipe cannot do is told",
    arguments: [
      (["--filter", "bicubic"], "--filter is that of --recipe torchvision"),
      (["--recipe", "adm", "--filter", "bicubic"], "--filter is that of --recipe torchvision"),
      (["--recipe", "torchvision", "--filter", "box"], "expected bilinear, bicubic or lanczos"),
      (["--recipe", "adm", "--size", "32x16"], "expected a square, as recipe adm makes no other"),
      (["--recipe", "pillow"], "adm"),
    ])
  func faults(options: [String], words: String) throws {
    try folder.write(SampleImages.png(61, 47), to: "a.png")
    let outcome = try checkpoint.encode(
      [folder.file("a.png")], to: folder.file("t.safetensors"), options)
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains(words), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("t.safetensors")))
  }

  @Test("stretching takes any size")
  func stretching() throws {
    try folder.write(SampleImages.png(61, 47), to: "a.png")
    let outcome = try checkpoint.encode(
      [folder.file("a.png")], to: folder.file("t.safetensors"),
      ["--recipe", "diffusers", "--size", "32x16", "--verify"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try TokenFile.open(path: folder.file("t.safetensors")).recipe.crop == "none")
  }
}
