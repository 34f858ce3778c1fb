import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

@Suite struct TokenRoundTripTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  static let widths: [(codes: Int, type: ElementType)] = [
    (1, .u8), (200, .u8), (256, .u8), (257, .u16), (65_536, .u16), (65_537, .u32), (1 << 32, .u32),
  ]

  @Test(arguments: TokenFormat.allCases, widths)
  func everyCoatAndWidthComesBack(
    _ format: TokenFormat, _ width: (codes: Int, type: ElementType)
  ) throws {
    let identity = Samples.identity(codes: width.codes)
    #expect(identity.idType == width.type)
    for (kind, records) in [
      ("one grid", Samples.uniform(5, identity)), ("mixed", Samples.mixed(7, identity)),
      ("single", Samples.uniform(1, identity)),
    ] {
      let path = folder.file("\(kind) \(width.codes).\(format)")
      let files = try Samples.write(records, to: path, format, identity)
      let file = try TokenFile.open(path: path)
      #expect(try file.records == records, "\(kind)")
      #expect(file.paths == records.map(\.path))
      #expect(file.identity == identity)
      #expect(file.recipe == Samples.recipe)
      #expect(try TokenFile.open(path: files[files.count - 1]).records == records)
      let tokens = kind == "mixed" ? records.reduce(0) { $0 + $1.tokens.count } : records.count * 6
      if format == .bin {
        #expect(try ScratchFolder.read(path).count == tokens * width.type.byteCount)
      }
    }
    let partials = try folder.contents().filter { $0.contains("partial") || $0.contains("spill") }
    #expect(partials.isEmpty)
  }

  @Test func theTensorsAreAsDocumented() throws {
    let path = folder.file("one.safetensors")
    try Samples.write(Samples.uniform(4, Samples.fsq), to: path, .safetensors, Samples.fsq)
    let one = try SafetensorsFile(path: path)
    #expect(Set(one.entries.map(\.name)) == ["tokens", "sizes", "padded_sizes"])
    #expect(try one.entry("tokens").shape == [4, 2, 3])
    #expect(try one.entry("tokens").type == .u16)
    #expect(one.metadata["levels"] == "[8,5,5,5]")
    #expect(one.metadata["codebook_size"] == "1000")
    #expect(one.metadata["quantizer"] == "fsq")
    #expect(one.metadata["fingerprint"] == "f5f5")
    #expect(one.metadata["downsampling"] == "4")
    #expect(one.metadata["format_version"] == "1")
    #expect(one.metadata["digit_order"] == "channel 0 least significant")

    try Samples.write(Samples.mixed(4, Samples.fsq), to: path, .safetensors, Samples.fsq)
    let mixed = try SafetensorsFile(path: path)
    #expect(try mixed.entry("tokens").shape == [2 + 6 + 6 + 3])
    #expect(try mixed.entry("offsets").type == .i64)
    #expect(try mixed.entry("offsets").shape == [5])
    #expect(try mixed.entry("grids").shape == [4, 2])
  }

  /// More ids than any buffer holds.
  @Test(arguments: TokenFormat.allCases) func manyIdsStreamThrough(_ format: TokenFormat) throws {
    let identity = Samples.identity(codes: 70_000)
    let records = (0..<9).map { Samples.record($0, identity, grid: (200, 250)) }
    let path = folder.file("many.\(format)")
    try Samples.write(records, to: path, format, identity)
    #expect(try TokenFile.open(path: path).records == records)
  }

  @Test(arguments: TokenFormat.allCases)
  func theExtensionMayBeLeftOutButNotContradict(_ format: TokenFormat) throws {
    let records = Samples.uniform(2, Samples.fsq)
    let files = try Samples.write(records, to: folder.file("run.2"), format, Samples.fsq)
    #expect(files.first == folder.file("run.2.\(format)"))
    #expect(try TokenFile.open(path: folder.file("run.2")).records == records)
    let other: TokenFormat = format == .npy ? .bin : .npy
    let error = #expect(throws: TokenFileError.self) {
      try Samples.write(records, to: folder.file("x.\(other)"), format, Samples.fsq)
    }
    #expect(error?.description.contains("Change one of them") == true)
  }

  @Test(.enabled(if: PythonPeer.numpy.isHere, "\(PythonPeer.numpy.absence)"))
  func pythonReadsEveryCoat() throws {
    let identity = Samples.identity(codes: 300)
    let records = Samples.uniform(3, identity)
    for format in TokenFormat.allCases {
      try Samples.write(records, to: folder.file("\(format).\(format)"), format, identity)
    }
    let mixed = Samples.mixed(5, identity)
    try Samples.write(mixed, to: folder.file("mixed.safetensors"), .safetensors, identity)
    try Samples.write(mixed, to: folder.file("flat.npy"), .npy, identity)
    let output = try PythonPeer.numpy.run(
      script: """
        import sys, os, json, numpy as np, safetensors.numpy, safetensors
        os.chdir(sys.argv[1])
        t = safetensors.numpy.load_file("safetensors.safetensors")
        m = safetensors.safe_open("safetensors.safetensors", framework="numpy").metadata()
        a = t["tokens"]
        b = np.load("npy.npy", mmap_mode="r")
        side = json.load(open("bin.bin.json", encoding="utf8"))
        c = np.memmap("bin.bin", dtype="<u2", mode="r").reshape(side["shape"])
        assert a.shape == b.shape == c.shape == (3, 2, 3), (a.shape, b.shape, c.shape)
        assert a.dtype == b.dtype == c.dtype == np.uint16
        assert (a == b).all() and (a == c).all()
        assert t["sizes"].tolist() == side["sizes"] and side["sizes"][1] == [15, 23]
        assert json.loads(m["paths"]) == side["paths"]
        assert json.loads(m["recipe"]) == side["recipe"]
        assert os.path.getsize("npy.npy") == 128 + 36
        f = safetensors.numpy.load_file("mixed.safetensors")
        g = np.load("flat.npy")
        assert (f["tokens"] == g).all() and f["offsets"].dtype == np.int64
        for i, (h, w) in enumerate(f["grids"]):
          f["tokens"][f["offsets"][i]:f["offsets"][i + 1]].reshape(h, w)
        print(a.flatten().tolist(), g.tolist(), side["paths"][2].encode("utf8").hex())
        """, [folder.path])
    let hex = records[2].path.utf8.map { String(format: "%02x", $0) }.joined()
    #expect(
      output.trimmingCharacters(in: .newlines)
        == "\(records.flatMap(\.tokens)) \(mixed.flatMap(\.tokens)) \(hex)")
  }

  /// What a generative model's program must write, and no more.
  @Test(.enabled(if: PythonPeer.numpy.isHere, "\(PythonPeer.numpy.absence)"))
  func tokensFromPythonNeedFiveKeys() throws {
    _ = try PythonPeer.numpy.run(
      script: """
        import sys, os, json, numpy as np, safetensors.numpy
        os.chdir(sys.argv[1])
        ids = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
        meta = {"format_version": "1", "fingerprint": "ab", "quantizer": "vq",
                "codebook_size": "24", "downsampling": "8"}
        safetensors.numpy.save_file({"tokens": ids}, "sampled.safetensors", metadata=meta)
        np.save("sampled.npy", ids)
        side = {k: v if k in ("fingerprint", "quantizer") else int(v) for k, v in meta.items()}
        side.update(storage="npy", dtype="U16", shape=[2, 3, 4], byte_count=48)
        json.dump(side, open("sampled.json", "w"))
        """, [folder.path])
    for name in ["sampled.safetensors", "sampled.npy"] {
      let file = try TokenFile.open(path: folder.file(name))
      #expect(file.count == 2)
      #expect(file.recipe == .generated)
      #expect(
        try file.record(at: 1)
          == TokenRecord(
            path: "00002", width: 32, height: 24, paddedWidth: 32, paddedHeight: 24,
            gridHeight: 3, gridWidth: 4, tokens: Array(12..<24)))
    }
  }
}
