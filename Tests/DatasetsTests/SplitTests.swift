import Files
import Datasets
import Testing

@Suite struct SplitTests {
  private static let files = (0..<1000).map { "class \($0 % 7)/\($0).png" }

  @Test func partsAreDisjointAndComplete() {
    let split = Split(Self.files, validationShare: 0.1, seed: 3)
    #expect((split.training + split.validation).sorted() == Array(0..<1000))
    #expect(split.training == split.training.sorted())
    // Binomial: mean 100, deviation 9.5.
    #expect((60...140).contains(split.validation.count))
    #expect(split == Split(Self.files, validationShare: 0.1, seed: 3))
    #expect(split != Split(Self.files, validationShare: 0.1, seed: 4))
  }

  @Test func addingFilesMovesNoOther() {
    let few = Array(Self.files.prefix(500))
    let before = Set(Split(few, validationShare: 0.2, seed: 1).validation.map { few[$0] })
    let after = Set(
      Split(Self.files, validationShare: 0.2, seed: 1).validation.map { Self.files[$0] })
    #expect(after.intersection(few) == before)
  }

  @Test(arguments: [2, 3, 5]) func neitherPartIsEmpty(count: Int) {
    let files = Array(Self.files.prefix(count))
    for seed in 0..<20 as Range<UInt64> {
      let little = Split(files, validationShare: 1e-9, seed: seed)
      #expect(little.validation.count == 1)
      let much = Split(files, validationShare: 1 - 1e-9, seed: seed)
      #expect(much.training.count == 1)
    }
  }

  @Test func extremes() {
    #expect(Split(Self.files, validationShare: 0, seed: 1).validation.isEmpty)
    #expect(Split(Self.files, validationShare: 1, seed: 1).training.isEmpty)
    #expect(Split(["a.png"], validationShare: 0.01, seed: 1).training == [0])
    #expect(Split([], validationShare: 0.5, seed: 1).training.isEmpty)
  }
}
