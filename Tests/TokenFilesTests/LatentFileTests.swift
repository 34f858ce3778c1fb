import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

/// Latents on disk: what is written comes back, and what makes no sense is refused.
@Suite struct LatentFileTests {
  let folder: ScratchFolder
  let identity = TokenizerIdentity(fingerprint: "0ddba11", bottleneck: "kl", downsampling: 4)

  init() throws { folder = try ScratchFolder() }

  private static let formats = [TokenFormat.safetensors, .npy]

  /// Image `index` on a grid of 2 x 3 with 3 channels: the last is constant.
  private func record(_ index: Int, label: Int? = nil, rows: Int = 2) -> LatentRecord {
    LatentRecord(
      path: "sub folder/ünï \"\(index)\".png", width: 12 - index % 3, height: 4 * rows - 1,
      rows: rows, columns: 3,
      latents: (0..<rows * 9).map { place in
        switch place % 3 {
        case 0: Float((place * 7 + index * 13) % 11) / 7
        case 1: 1000 + Float((place + index) % 5) / 16
        default: -2.5
        }
      }, label: label)
  }

  private func write(
    _ records: [LatentRecord], to name: String, classes: [String] = [], standardized: Bool = false,
    identity: TokenizerIdentity? = nil
  ) throws -> [String] {
    let path = folder.file(name)
    let writer = try LatentWriter(
      path: path, format: TokenFormat(path: path)!, identity: identity ?? self.identity,
      recipe: Samples.recipe, channels: 3, classes: classes,
      form: standardized ? .standardized : .plain)
    for record in records { try writer.append(record) }
    return try writer.finish()
  }

  private func says(_ words: [String], _ body: () throws -> Void) {
    let error = #expect(throws: TokenFileError.self) { try body() }
    let found = error?.description ?? ""
    for text in words { #expect(found.contains(text), "\(found)") }
  }

  private func stored(_ file: LatentFile, _ image: Int) throws -> [Float] {
    var numbers = [Float](repeating: .nan, count: file.rows * file.columns * file.channels)
    try numbers.withUnsafeMutableBufferPointer { try file.copy(image, to: $0.baseAddress!) }
    return numbers
  }

  /// Mean and deviation of each channel, the obvious way.
  private func moments(_ records: [LatentRecord]) -> (mean: [Double], deviation: [Double]) {
    let all = records.flatMap(\.latents)
    var (means, deviations): ([Double], [Double]) = ([], [])
    for channel in 0..<3 {
      let values = stride(from: channel, to: all.count, by: 3).map { Double(all[$0]) }
      let mean = values.reduce(0, +) / Double(values.count)
      means.append(mean)
      deviations.append(
        (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot())
    }
    return (means, deviations)
  }

  @Test(arguments: formats, [false, true])
  func whatIsWrittenComesBack(_ format: TokenFormat, _ standardized: Bool) throws {
    let records = (0..<7).map { record($0, label: $0 % 3 == 2 ? nil : $0 % 3) }
    let files = try write(
      records, to: "l.\(format)", classes: ["a", "b"], standardized: standardized)
    #expect(files.count == (format == .npy ? 2 : 1))
    let (mean, deviation) = moments(records)
    for path in files + [folder.file("l")] {
      let file = try LatentFile.open(path: path)
      #expect(file.identity == identity && file.identity.isContinuous)
      #expect(file.recipe == Samples.recipe.ofLatents && file.recipe.size == "native")
      #expect(file.paths == records.map(\.path) && file.classes == ["a", "b"])
      #expect((file.count, file.rows, file.columns, file.channels) == (7, 2, 3, 3))
      #expect(file.isStandardized == standardized)
      for channel in 0..<3 {
        #expect(abs(Double(file.mean[channel]) - mean[channel]) < 1e-4)
        #expect(abs(Double(file.deviation[channel]) - deviation[channel]) < 1e-6)
      }
      #expect(file.deviation[2] == 0)
      for (index, record) in records.enumerated() {
        #expect(file.label(of: index) == record.label)
        #expect(file.size(of: index) == (record.width, record.height))
        let stored = try stored(file, index)
        if standardized {
          for (place, value) in stored.enumerated() {
            let channel = place % 3
            let expected =
              channel == 2
              ? 0
              : (Double(record.latents[place]) - Double(file.mean[channel]))
                / Double(file.deviation[channel])
            #expect(abs(Double(value) - expected) < 1e-6)
          }
          for (a, b) in zip(try file.latents(of: index), record.latents) {
            #expect(abs(a - b) <= max(1e-6, abs(b) * 1e-6))
          }
        } else {
          #expect(stored == record.latents)
          #expect(try file.latents(of: index) == record.latents)
        }
      }
      try file.check(against: identity)
      #expect(LatentFile.holdsLatents(path))
    }
  }

  /// More numbers than one block of the spill file, in a number of channels that does not divide it.
  @Test func blocksDoNotShiftChannels() throws {
    let rows = 301
    let records = (0..<110).map { record($0, rows: rows) }
    _ = try write(records, to: "l.safetensors", standardized: true)
    let file = try LatentFile.open(path: folder.file("l.safetensors"))
    for (a, b) in zip(try file.latents(of: 109), records[109].latents) {
      #expect(abs(a - b) <= max(1e-6, abs(b) * 1e-6))
    }
  }

  @Test func theFilesAreAsDocumented() throws {
    let records = [record(0, label: 1), record(1)]
    _ = try write(records, to: "l.safetensors", classes: ["a", "b"])
    let file = try SafetensorsFile(path: folder.file("l.safetensors"))
    #expect(file.metadata["format"] == "tessera-latents")
    #expect(file.metadata["standardized"] == "false" && file.metadata["quantizer"] == "kl")
    #expect(file.metadata["codebook_size"] == nil && file.metadata["levels"] == nil)
    #expect(file.metadata["recipe"]?.contains("digit_order") == false)
    #expect(try file.entry("latents").shape == [2, 2, 3, 3])
    #expect(try file.entry("mean").shape == [3] && file.entry("deviation").shape == [3])
    #expect(try file.entry("labels").type == .i32 && file.entry("sizes").shape == [2, 2])

    _ = try write(records, to: "l.npy", classes: ["a", "b"], standardized: true)
    let sidecar = String(decoding: try ScratchFolder.read(folder.file("l.npy.json")), as: UTF8.self)
    for text in [
      #""format":"tessera-latents""#, #""standardized":true"#, #""labels":[1,-1]"#,
      #""dtype":"F32""#, #""shape":[2,2,3,3]"#, #""mean":["#,
    ] { #expect(sidecar.contains(text), "\(sidecar)") }
    let header = try ScratchFolder.read(folder.file("l.npy"))[..<128]
    #expect(String(decoding: header, as: UTF8.self).contains("'descr': '<f4'"))
  }

  @Test func oneGridAndFiniteNumbersOnly() throws {
    let writer = try LatentWriter(
      path: folder.file("l"), format: .safetensors, identity: identity, recipe: Samples.recipe,
      channels: 3)
    try writer.append(record(0))
    says(["its grid is 5 x 3", "--size model"]) { try writer.append(record(1, rows: 5)) }
    for bad in [Float.nan, .infinity] {
      var broken = record(1)
      broken.latents[10] = bad
      says([broken.path, "channel 1, row 1, column 0", "earlier checkpoint"]) {
        try writer.append(broken)
      }
    }
    var other = record(1)
    other.latents.removeLast()
    says(["17 numbers"]) { try writer.append(other) }
    other = record(1)
    other.width = 13
    says(["its latents stand for only 8 x 12 pixels"]) { try writer.append(other) }
    says(["its label is 0, but there are no classes"]) { try writer.append(record(1, label: 0)) }
    try writer.append(record(2))
    _ = try writer.finish()
    #expect(try LatentFile.open(path: folder.file("l")).paths == [record(0).path, record(2).path])
  }

  @Test func outputsThatCannotBe() throws {
    says(["there is no image in it"]) { _ = try write([], to: "l.npy") }
    says([".safetensors or .npy"]) { _ = try write([record(0)], to: "l.bin") }
    try folder.write("{}", to: "o.npy.json")
    says(["o.npy.json would be replaced"]) { _ = try write([record(0)], to: "o.npy") }
    says(["no room for the names of more than 1"]) {
      let writer = try LatentWriter(
        path: folder.file("l"), format: .safetensors, identity: identity, recipe: Samples.recipe,
        channels: 3, headerLimit: 50)
      try writer.append(record(0))
      try writer.append(record(1))
    }
    #expect(try folder.contents().filter { !$0.hasSuffix(".lock") } == ["o.npy.json"])
    // What is there is replaced, by either format's own.
    for _ in 0..<2 { _ = try write([record(0)], to: "l.npy") }
    #expect(try LatentFile.open(path: folder.file("l.npy")).count == 1)
  }

  @Test(arguments: formats) func cutOrChangedIsAnError(_ format: TokenFormat) throws {
    let files = try write([record(0), record(1)], to: "l.\(format)")
    for file in files {
      let whole = try ScratchFolder.read(file)
      let end = file.hasSuffix(".json") ? whole.count - 1 : whole.count
      for count in stride(from: 0, to: end, by: 7) {
        try ScratchFolder.put(Array(whole[..<count]), at: file)
        #expect(throws: TokenFileError.self) { try LatentFile.open(path: files[0]) }
      }
      try ScratchFolder.put(whole + [0], at: file)
      #expect(throws: TokenFileError.self) { try LatentFile.open(path: files[0]) }
      try ScratchFolder.put(whole, at: file)
    }
    let opened = try LatentFile.open(path: files[0])
    var bytes = try ScratchFolder.read(files[0])
    let start =
      format == .npy
      ? bytes.count - 2 * 18 * 4
      : try {
        let file = try SafetensorsFile(path: files[0])
        let data = bytes.count - (file.entries.last?.range.upperBound ?? 0)
        return data + (try file.entry("latents").range.lowerBound)
      }()
    bytes[start + 4] ^= 1
    try ScratchFolder.put(bytes, at: files[0])
    says(["its latents have the checksum"]) { _ = try LatentFile.open(path: files[0]) }
    bytes[start + 18 * 4 + 3] = 0x7F
    bytes[start + 18 * 4 + 2] = 0xC0
    try ScratchFolder.put(bytes, at: files[0])
    says(["the latents of image 1 (\(record(1).path)) hold NaN"]) {
      _ = try LatentFile.open(path: files[0])
    }
    try ScratchFolder.put([1], at: files[0])
    #expect(throws: TokenFileError.self) { _ = try stored(opened, 1) }
  }

  @Test func tokensAndLatentsAreToldApart() throws {
    let codes = Samples.identity(codes: 300)
    for format in Self.formats {
      let files = try write([record(0)], to: "l.\(format)")
      let tokens = try Samples.write(
        Samples.uniform(2, codes), to: folder.file("t.\(format)"), format, codes)
      for file in files {
        says(["holds latents of a continuous autoencoder, but tokens are wanted"]) {
          _ = try TokenFile.open(path: file)
        }
      }
      for file in tokens {
        says(["holds no latents", "tessera-"]) { _ = try LatentFile.open(path: file) }
        #expect(!LatentFile.holdsLatents(file))
      }
      says(["kl (continuous), 4 pixels per latent vector", "has no tokens"]) {
        try TokenFile.open(path: tokens[0]).check(against: identity)
      }
      says(["fingerprint 0ddba11", "fingerprint ab", "their own autoencoder"]) {
        try LatentFile.open(path: files[0]).check(
          against: TokenizerIdentity(fingerprint: "ab", bottleneck: "kl", downsampling: 4))
      }
    }
    #expect(!LatentFile.holdsLatents(folder.file("nothing")))
    says(["expected 1 to 4294967296, found 0"]) {
      _ = try TokenWriter(
        path: folder.file("t"), format: .safetensors, identity: identity, recipe: Samples.recipe)
    }
  }

  /// What another program writes: the latents, and who is to decode them.
  @Test func othersNeedToSayLittle() throws {
    let path = folder.file("made.safetensors")
    let latents = record(0).latents
    func put(_ more: [String: String], _ tensors: [(String, [Int], [Float])] = []) throws {
      try SafetensorsWriter.write(
        [("latents", [1, 2, 3, 3], latents)] + tensors,
        metadata: [
          "format": "tessera-latents", "format_version": "1", "fingerprint": "ab",
          "quantizer": "kl", "downsampling": "4",
        ].merging(more) { $1 }, to: path)
    }
    try put([:])
    let file = try LatentFile.open(path: path)
    #expect(file.paths == ["00001"] && file.size(of: 0) == (12, 8) && !file.isStandardized)
    #expect(try file.latents(of: 0) == latents)
    #expect(abs(Double(file.mean[0]) - moments([record(0)]).mean[0]) < 1e-6)

    try put(["standardized": "true"])
    says(["\"mean\" and \"deviation\" are missing"]) { _ = try LatentFile.open(path: path) }
    try put(["standardized": "true"], [("mean", [3], [1, 2, 3]), ("deviation", [3], [2, 0, 1])])
    let made = try LatentFile.open(path: path).latents(of: 0)
    #expect(made[..<3] == [latents[0] * 2 + 1, 2, latents[2] + 3])
    try put([:], [("mean", [3], [1, 2, 3]), ("deviation", [3], [2, -1, 1])])
    says(["a deviation is not negative"]) { _ = try LatentFile.open(path: path) }
    try put(["format_version": "2"])
    says(["version 2"]) { _ = try LatentFile.open(path: path) }
    try put(["format": "tessera-tokens"])
    says(["its metadata say its format is \"tessera-tokens\""]) {
      _ = try LatentFile.open(path: path)
    }
  }
}
