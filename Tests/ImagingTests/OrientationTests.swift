import Imaging
import Testing

/// The EXIF orientation tag: where it is found, what is refused, and what it does to pixels.
struct OrientationTests {
  /// Where the pixel seen at (x, y) of a picture is stored: (column, row).
  ///
  /// From the tag's definition: which side of the picture row 0 and column 0 are.
  static func stored(_ tag: Int, _ x: Int, _ y: Int, _ width: Int, _ height: Int) -> (Int, Int) {
    let (right, bottom) = (width - 1 - x, height - 1 - y)
    return switch tag {
    case 2: (right, y)
    case 3: (right, bottom)
    case 4: (x, bottom)
    case 5: (y, x)
    case 6: (y, right)
    case 7: (bottom, right)
    case 8: (bottom, x)
    default: (x, y)
    }
  }

  static func stored(_ picture: Image, tag: Int) -> Image {
    let isTurned = tag >= 5
    var image = Image(
      width: isTurned ? picture.height : picture.width,
      height: isTurned ? picture.width : picture.height)
    for y in 0..<picture.height {
      for x in 0..<picture.width {
        let (column, row) = stored(tag, x, y, picture.width, picture.height)
        image[column, row] = picture[x, y]
      }
    }
    return image
  }

  /// A TIFF block with one other entry before the orientation.
  static func block(_ tag: Int, littleEndian: Bool, type: Int = 3, count: Int = 1) -> [UInt8] {
    func number(_ value: Int, _ bytes: Int) -> [UInt8] {
      let big = PNGBuilder.bigEndian(value, bytes)
      return littleEndian ? big.reversed() : big
    }
    return Array((littleEndian ? "II" : "MM").utf8) + number(42, 2) + number(8, 4) + number(2, 2)
      + number(0x0100, 2) + number(4, 2) + number(1, 4) + number(5, 4)
      + number(0x0112, 2) + number(type, 2) + number(count, 4)
      + (number(tag, [1: 1, 6: 1, 4: 4, 9: 4][type] ?? 2) + [0, 0, 0]).prefix(4) + number(0, 4)
  }

  static func png(_ image: Image, block: [UInt8]) throws -> [UInt8] {
    var file = try ImageEncoder().encode(image, as: .png)
    file.insert(contentsOf: PNGBuilder.chunk("eXIf", block), at: 33)
    return file
  }

  static func jpeg(_ image: Image, block: [UInt8]) throws -> [UInt8] {
    var file = try ImageEncoder().encode(image, as: .jpeg)
    let content = Array("Exif\0\0".utf8) + block
    file.insert(
      contentsOf: [0xFF, 0xE1] + PNGBuilder.bigEndian(content.count + 2, 2) + content, at: 2)
    return file
  }

  @Test(arguments: 1...8, [false, true])
  func `a PNG's tag turns the picture upright`(tag: Int, littleEndian: Bool) throws {
    let picture = Pattern.noise(3, 2)
    let file = try Self.png(
      Self.stored(picture, tag: tag), block: Self.block(tag, littleEndian: littleEndian))
    #expect(Orientation.tag(in: file) == tag)
    #expect(try ImageDecoder().decode(file, name: "x") == picture)
    #expect(try ImageDecoder().size(of: file, name: "x") == (3, 2))
    #expect(
      try ImageDecoder(appliesOrientation: false).decode(file, name: "x")
        == Self.stored(picture, tag: tag))
  }

  @Test(arguments: 1...8, [false, true])
  func `a JPEG's tag turns the picture upright`(tag: Int, littleEndian: Bool) throws {
    let picture = Pattern.smooth(24, 16)
    let file = try Self.jpeg(
      Self.stored(picture, tag: tag), block: Self.block(tag, littleEndian: littleEndian))
    #expect(Orientation.tag(in: file) == tag)
    let decoded = try ImageDecoder().decode(file, name: "x")
    #expect(decoded.width == 24 && decoded.height == 16)
    #expect(decibels(decoded, picture) > 35)
  }

  @Test(arguments: [0, 9, 200, 65535])
  func `values outside 1...8 mean nothing`(tag: Int) throws {
    let picture = Pattern.noise(3, 2)
    let file = try Self.png(picture, block: Self.block(tag, littleEndian: true))
    #expect(Orientation.tag(in: file) == tag)
    #expect(try ImageDecoder().decode(file, name: "x") == picture)
  }

  @Test func `a block cut before the tag's value has no tag`() throws {
    let whole = Self.block(6, littleEndian: true)
    // 8 of header, 2 of count, one entry, 8 into the second, 2 of value.
    for count in 0...whole.count {
      let file = try Self.png(Pattern.noise(2, 2), block: Array(whole[..<count]))
      #expect(Orientation.tag(in: file) == (count < 32 ? nil : 6))
    }
  }

  // BYTE, LONG, SSHORT and SLONG: not by the standard, but written all the same.
  @Test(arguments: [1, 4, 8, 9], [false, true])
  func `a tag in another kind of whole number is heeded`(type: Int, littleEndian: Bool) throws {
    let picture = Pattern.noise(3, 2)
    let block = Self.block(6, littleEndian: littleEndian, type: type)
    let png = try Self.png(Self.stored(picture, tag: 6), block: block)
    #expect(Orientation.tag(in: png) == 6)
    #expect(try ImageDecoder().decode(png, name: "x") == picture)
    let jpeg = try Self.jpeg(Self.stored(Pattern.smooth(24, 16), tag: 6), block: block)
    #expect(try ImageDecoder().size(of: jpeg, name: "x") == (24, 16))
  }

  @Test func `a tag of another type or count is none`() throws {
    for block in [
      Self.block(6, littleEndian: true, type: 2), Self.block(6, littleEndian: true, count: 2),
    ] {
      #expect(Orientation.tag(in: try Self.jpeg(Pattern.noise(2, 2), block: block)) == nil)
    }
  }

  @Test func `a directory beyond the block has no tag`() throws {
    var block = Self.block(6, littleEndian: false)
    block[4] = 0xFF
    #expect(Orientation.tag(in: try Self.jpeg(Pattern.noise(2, 2), block: block)) == nil)
  }

  @Test func `files without a tag and bytes that are no file have none`() throws {
    for format in ImageFormat.allCases {
      #expect(
        Orientation.tag(in: try ImageEncoder().encode(Pattern.noise(2, 2), as: format)) == nil)
    }
    #expect(Orientation.tag(in: []) == nil)
    #expect(Orientation.tag(in: [0xFF, 0xD8, 0xFF]) == nil)
    #expect(Orientation.tag(in: [0xFF, 0xD8, 0xFF, 0xE1, 0, 1, 0xFF]) == nil)
    #expect(Orientation.tag(in: PNGBuilder.signature + [0xFF, 0xFF]) == nil)
  }
}
