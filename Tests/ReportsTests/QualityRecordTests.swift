import Configuration
import Files
import Reports
import Testing

@Suite("Records of quality")
struct QualityRecordTests {
  /// A record of all numbers.
  static func record(
    features: String = "aa11", n: Int = 500, step: Int? = 400, swd: Double = 12
  ) -> QualityRecord {
    var record = QualityRecord(
      seed: 3, real: .init(folder: "data/photos", images: 1200, hash: "00ff"),
      drawn: .init(folder: "drawn", images: 500))
    record.step = step
    record.size = (32, 32)
    record.preparation = "cropped"
    record.features = .init(
      source: "latents of fsq \(features)", fingerprint: features, dimension: 64)
    record.levels = [
      .init(width: 32, height: 32, score: .init(drawn: swd, floor: 1.5, noise: 200)),
      .init(width: 16, height: 16, score: .init(drawn: swd + 8, floor: 2.5, noise: 100)),
    ]
    (record.patchImages, record.featureImages) = (n, n)
    record.frechet = .init(drawn: 3.4567, floor: 0.1234, noise: 1234.5)
    record.precision = .init(drawn: 0.75, floor: 0.9, noise: 0)
    record.recall = .init(drawn: 0.25, floor: 0.875, noise: 0)
    return record
  }

  @Test("text: what, the table, what its columns are")
  func text() {
    let text = Self.record().text(width: 80)
    let table = """
      measure    drawn  floor  noise    n
      ---------  -----  -----  -----  ---
      SWD 32x32  12.00  1.500  200.0  500
      SWD 16x16  20.00  2.500  100.0  500
      SWD mean   16.00  2.000  150.0  500
      Fréchet    3.457  0.123   1234  500
      precision  0.750  0.900  0.000  500
      recall     0.250  0.875  0.000  500
      """
    #expect(text.contains("\n\n" + table + "\n\n"), "\(text)")
    #expect(text.hasPrefix("500 drawn images in drawn, 1,200 real images in data/photos; 32x32"))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(text)")
  }

  @Test("JSON gives back the record; without features or images too")
  func json() throws {
    var parts = [Self.record(), Self.record(step: nil)]
    var patches = Self.record()
    (patches.features, patches.frechet, patches.precision, patches.recall) = (nil, nil, nil, nil)
    patches.featureImages = 0
    var vectors = Self.record()
    (vectors.levels, vectors.size, vectors.preparation) = ([], nil, nil)
    vectors.patchImages = 0
    vectors.frechet?.noise = nil
    parts += [patches, vectors]
    for record in parts {
      let read = try QualityRecord(json: record.json)
      #expect(read == record && read.json == record.json)
      #expect(read.images == 500 && read.seed == 3 && read.step == record.step)
      #expect(read.levels == record.levels && read.frechet == record.frechet)
    }
    #expect(vectors.swd == nil && Self.record().swd?.floor == 2)
    var large = Self.record()
    large.size = nil
    let seeded = QualityRecord(
      seed: .max, real: .init(folder: nil, images: 1), drawn: .init(folder: nil, images: 1))
    #expect(seeded.json.contains("\"seed\": \"18446744073709551615\""))
    #expect(large != Self.record())
  }

  @Test("what is no record says what was expected")
  func faults() {
    func fault(_ text: String) -> String {
      do {
        _ = try QualityRecord(json: text)
        return "none"
      } catch { return error.description }
    }
    let json = Self.record().json
    #expect(fault("{").contains("it is not JSON: line 1"))
    #expect(fault("[1]").contains("expected an object as the file"))
    #expect(fault("{}").contains("expected \"format\": \"tessera quality\""))
    #expect(
      fault(json.replacing("\"version\": 1", with: "\"version\": 7")).contains(
        "expected version 1, found 7"))
    #expect(
      fault(json.replacing("\"drawn\": 3.4567", with: "\"drawn\": null")).contains("\"drawn\""))
    #expect(
      fault(json.replacing("\"n\": 500", with: "\"n\": 1.5")).contains("whole number as \"n\""))
    #expect(fault(json.replacing("\"seed\": 3", with: "\"seed\": -3")).contains("seed"))
    #expect(fault(json.replacing("\"levels\"", with: "\"other\"")).contains("levels"))
    #expect(fault(json) == "none")
  }

  // MARK: In a comparison

  private static func comparison(_ records: [QualityRecord?]) -> Comparison {
    var entries = SyntheticPriors.entries
    for (index, record) in records.enumerated() {
      var run = entries[2 + index].prior!
      run.quality = record
      entries[2 + index] = .init(
        checkpoint: entries[2 + index].checkpoint, outcome: .prior(run),
        configuration: entries[2 + index].configuration)
    }
    return Comparison(entries: Array(entries[2...]), evaluationProtocol: nil)
  }

  @Test("columns where a prior has a record, dashes where it has none, nothing where none has")
  func columns() {
    let comparison = Self.comparison([Self.record(), nil])
    let table = comparison.priorTable
    let titles = ["Fréchet (floor)", "SWD (floor)", "precision", "recall", "n"]
    #expect(Array(table.columns.map(\.title).suffix(5)) == titles)
    #expect(
      Array(table.rows[0].suffix(5)) == ["3.457 (0.123)", "16.00 (2.000)", "0.750", "0.250", "500"])
    #expect(Array(table.rows[1].suffix(5)) == ["-", "-", "-", "-", "-"])
    #expect(comparison.text(width: 100).contains("Fréchet (floor)"))
    #expect(
      comparison.text(width: 100, explains: true).contains("quality  of images that a prior drew"))
    var elsewhere = Self.record()
    elsewhere.real.folder = "/home/somebody/photos"
    let page = SyntheticPriors.page(Self.comparison([elsewhere])).html
    #expect(page.contains("3.457 (0.123)") && page.contains("photos"))
    #expect(!page.contains("/home/somebody"), "the page names a folder of a machine")
    #expect(!Self.comparison([]).text(width: 100, explains: true).contains("Fréchet"))
    #expect(
      comparison.json.contains("\"frechet\": {") && !Self.comparison([]).json.contains("frechet"))
  }

  @Test("unlike measurements and older ones are told")
  func notes() {
    let notes = Self.comparison([
      Self.record(), Self.record(features: "bb22", n: 100), Self.record(step: 100),
    ]).priorNotes
    #expect(
      notes.contains(
        "The quality of what the priors draw was not measured alike, so that their numbers cannot be "
          + "compared: features latents of fsq aa11 (prior-fsq-0 and prior-vq), latents of fsq bb22 "
          + "(prior-fsq-1); n 500 (prior-fsq-0 and prior-vq), 100 (prior-fsq-1)."), "\(notes)")
    #expect(
      notes.contains("The quality of what prior-vq draws was measured at step 100 of 400."),
      "\(notes)")
    let alike = Self.comparison([Self.record(), Self.record(swd: 20)]).priorNotes
    #expect(!alike.contains { $0.contains("quality") }, "\(alike)")
  }
}
