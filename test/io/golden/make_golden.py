"""Makes the golden files of this folder with other people's programs (astropy, pyarrow), once.

The tests read the files and compare them with the truth beside them; Python is not needed to run them.
    python make_golden.py fits      (astropy)
    python make_golden.py spectra   (astropy)
    python make_golden.py votable   (astropy)
    python make_golden.py arrow     (pyarrow)
    python make_golden.py hdf5      (h5py)
    python make_golden.py astropy_hdf5  (astropy, h5py)
    python make_golden.py frames    (pandas, PyTables)
"""
import gzip
import json
import sys

import numpy as np

NAN = float("nan")


def truth(name, columns, **more):
    with open(name + ".json", "w") as out:
        json.dump({"columns": columns, **more}, out, indent=0)


def column(type_, width, values, unit=None):
    row = {"type": type_, "width": width, "values": values}
    return row if unit is None else {**row, "unit": unit}


def make_fits():
    from astropy.io import fits
    from astropy.table import Table, MaskedColumn

    # Every kind of column that FITS has.
    vla = np.empty(3, dtype=object)
    vla[:] = [np.array([1.5, -2.5], "f4"), np.array([], "f4"), np.array([3.0, 4.0, 5.0], "f4")]
    vli = np.empty(3, dtype=object)
    vli[:] = [np.array([7], "i2"), np.array([8, 9], "i2"), np.array([], "i2")]
    cols = [
        fits.Column("logical", "L", array=np.array([True, False, True])),
        fits.Column("bits", "11X", array=np.array([[1, 0, 1] + [0] * 7 + [1], [0] * 11, [1] * 11], bool)),
        fits.Column("byte", "B", array=np.array([0, 128, 255], "u1")),
        fits.Column("signedbyte", "B", bzero=-128, array=np.array([-128, 0, 127], "i1")),
        fits.Column("short", "I", null=-99, array=np.array([1, -99, 3], "i2")),
        fits.Column("ushort", "I", bzero=32768, array=np.array([0, 40000, 65535], "u2")),
        fits.Column("uint", "J", bzero=2147483648, array=np.array([0, 3000000000, 4294967295], "u4")),
        fits.Column("long", "K", array=np.array([-(2**62), 0, 2**62 + 1], "i8")),
        fits.Column("ulong", "K", bzero=2**63, array=np.array([0, 2**63, 2**64 - 1], "u8")),
        fits.Column("scaled", "I", null=-32768, unit="mag", array=np.array([0, 25, -32768], "i2")),
        fits.Column("float", "E", unit="1e-19 erg/s/cm2/A", array=np.array([1.5, NAN, -np.inf], "f4")),
        fits.Column("double", "D", unit="Gyr", array=np.array([1e300, -0.1, NAN])),
        fits.Column("complex", "C", array=np.array([1 + 2j, 3 - 4j, 0], "c8")),
        fits.Column("vector", "4E", array=np.arange(12, dtype="f4").reshape(3, 4) / 3),
        fits.Column("intvector", "2J", array=np.array([[1, 2], [3, 4], [5, 6]], "i4")),
        fits.Column("text", "8A", array=np.array(["abc", "", "O'Neil"])),
        fits.Column("texts", "6A", dim="(3,2)", array=np.array([["abc", "de"], ["f", ""], ["ghi", "jkl"]])),
        fits.Column("variable", "PE()", array=vla),
        fits.Column("variableint", "QI()", array=vli),
        fits.Column("empty", "0E"),
    ]
    table = fits.BinTableHDU.from_columns(cols, name="KINDS")
    table.header["XSCAL10"] = 0.01  # becomes TSCAL10 below: astropy would scale the values back
    table.header["XZERO10"] = 10.0
    table.header["SURVEY"] = "O'Hara / test"
    table.header["DEPTH"] = (23.5, "mag")
    table.header["LONGTEXT"] = "a very long text " * 8
    table.header["HIERARCH a long keyword"] = 7
    image = fits.ImageHDU(np.arange(6, dtype="f4").reshape(2, 3), name="IMAGE")
    scaled = fits.ImageHDU(np.array([[0, 1], [65535, 40000]], "u2"), name="SCALED")
    fits.HDUList([fits.PrimaryHDU(), image, table, scaled]).writeto("kinds.fits", overwrite=True)
    with open("kinds.fits", "rb") as f:
        raw = f.read()
    with open("kinds.fits", "wb") as f:
        f.write(raw.replace(b"XSCAL10 ", b"TSCAL10 ").replace(b"XZERO10 ", b"TZERO10 "))
    n = None
    truth("kinds.fits", {
        "logical": column("uint8", 1, [1, 0, 1]),
        "bits": column("uint8", 11, [1, 0, 1] + [0] * 7 + [1] + [0] * 11 + [1] * 11),
        "byte": column("uint8", 1, [0, 128, 255]),
        "signedbyte": column("int16", 1, [-128, 0, 127]),
        "short": column("int16", 1, [1, n, 3]),
        "ushort": column("int32", 1, [0, 40000, 65535]),
        "uint": column("int64", 1, ["0", "3000000000", "4294967295"]),
        "long": column("int64", 1, [str(-(2**62)), "0", str(2**62 + 1)]),
        "ulong": column("string", 1, ["0", str(2**63), str(2**64 - 1)]),
        "scaled": column("float64", 1, [10.0, 10.25, n], "mag"),
        "float": column("float32", 1, [1.5, n, "-inf"], "1e-19 erg/s/cm2/A"),
        "double": column("float64", 1, [1e300, -0.1, n], "Gyr"),
        "complex": column("float32", 2, [1, 2, 3, -4, 0, 0]),
        "vector": column("float32", 4, [float(x) for x in (np.arange(12, dtype="f4") / 3)]),
        "intvector": column("int32", 2, [1, 2, 3, 4, 5, 6]),
        "text": column("string", 1, ["abc", "", "O'Neil"]),
        "texts": column("string", 2, ["abc", "de", "f", "", "ghi", "jkl"]),
        "variable": column("float32", 3, [1.5, -2.5, n, n, n, n, 3.0, 4.0, 5.0]),
        "variableint": column("float64", 2, [7, n, 8, 9, n, n]),
    }, metadata={"SURVEY": "O'Hara / test", "DEPTH": "23.5", "LONGTEXT": ("a very long text " * 8).strip(),
                 "a long keyword": "7"})

    t = Table()
    t["id"] = np.array([1, 2**60 + 1, -3], "i8")
    t["flux"] = np.array([0.1, NAN, 3e8], "f4")
    t["flux"].unit = "erg / (s cm2 Angstrom)"
    t["n"] = MaskedColumn(np.array([1, 2, 3], "i4"), mask=[False, True, False])
    t["name"] = ["a", "bcd", ""]
    t.write("small.fits", overwrite=True)
    with open("small.fits", "rb") as f, gzip.GzipFile("small.fits.gz", "wb", mtime=0) as g:
        g.write(f.read())
    truth("small", small_truth("erg Angstrom-1 s-1 cm-2"))


def small_truth(unit):
    return {
        "id": column("int64", 1, ["1", str(2**60 + 1), "-3"]),
        "flux": column("float32", 1, [float(np.float32(0.1)), None, 3e8], unit),
        "n": column("int32", 1, [1, None, 3]),
        "name": column("string", 1, ["a", "bcd", ""]),
    }


def make_spectra():
    """One unit per way of writing a wavelength axis; astropy.wcs says the wavelengths where the Standard does."""
    import warnings

    from astropy.io import fits
    from astropy.wcs import WCS

    flux = np.array([1, 2, 4, 8, 16], "f4")
    pixels = np.arange(5)

    def image(name, **keywords):
        unit = fits.ImageHDU(flux, name=name)
        unit.header.update({key.replace("__", "-"): value for key, value in keywords.items()})
        return unit

    def standard(unit):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(unit.header)
        return [float(x) * 1e10 for x in wcs.all_pix2world(pixels, 0)[0]]  # metre -> Angstrom

    air = image("AIR", CTYPE1="AWAV", CUNIT1="Angstrom", CRVAL1=5000.0, CRPIX1=3.0, CDELT1=0.9, BUNIT="erg/s/cm2/A")
    matrix = image("MATRIX", CTYPE1="WAVE", CUNIT1="Angstrom", CRVAL1=5000.0, CRPIX1=1.0, CD1_1=-2.0)
    log = image("LOG", CTYPE1="WAVE-LOG", CUNIT1="Angstrom", CRVAL1=4000.0, CRPIX1=2.0, CDELT1=400.0)
    primary = fits.PrimaryHDU(flux)
    primary.header.update({"CRVAL1": 3540.5, "CDELT1": 0.9, "CRPIX1": 1.0, "OBJECT": "SSP"})
    rows = fits.BinTableHDU.from_columns([
        fits.Column("loglam", "D", array=np.log10([4000.0, 4001, 4002, 4003, 4005])),
        fits.Column("flux", "E", unit="1e-17 erg/s/cm2/A", array=flux)], name="ROWS")
    arrays = fits.BinTableHDU.from_columns([
        fits.Column("WAVE", "5D", unit="nm", array=[[400.0, 401, 402, 403, 405]]),
        fits.Column("SPEC", "5E", array=[flux])], name="ARRAYS")
    arrays.header["AIRORVAC"] = "vac"
    units = [primary, air, matrix, log,
             image("IRAF", CTYPE1="LINEAR", CRVAL1=3.6, CRPIX1=1.0, CD1_1=1e-4, DC__FLAG=1),
             image("LN", CTYPE1="LN(WAVE)", CRVAL1=8.0, CDELT1=1e-4),
             image("BRACKETS", CTYPE1="WAVE", CUNIT1="log(Angstrom)", CRVAL1=3.6, CDELT1=1e-4, CRPIX1=1.0),
             rows, arrays,
             image("FREQUENCY", CTYPE1="FREQ", CUNIT1="Hz", CRVAL1=1e14, CDELT1=1e10, CRPIX1=1.0),
             image("UNSAID", CRVAL1=3.6, CDELT1=1e-4, CRPIX1=1.0),
             fits.ImageHDU(np.zeros((2, 5), "f4"), name="TWO")]
    fits.HDUList(units).writeto("spectra.fits", overwrite=True)
    log10 = [float(10 ** (3.6 + 1e-4 * i)) for i in pixels]
    with open("spectra.json", "w") as out:
        json.dump({
            "PRIMARY": {"wavelength": [float(3540.5 + 0.9 * i) for i in pixels]},
            "AIR": {"wavelength": standard(air), "wavelengthUnit": "Angstrom", "medium": "air", "unit": "erg/s/cm2/A"},
            "MATRIX": {"wavelength": standard(matrix), "wavelengthUnit": "Angstrom", "medium": "vacuum"},
            "LOG": {"wavelength": standard(log), "wavelengthUnit": "Angstrom", "medium": "vacuum"},
            "IRAF": {"wavelength": log10},
            "LN": {"wavelength": [float(np.exp(8.0 + 1e-4 * i)) for i in pixels]},
            "BRACKETS": {"wavelength": log10, "wavelengthUnit": "Angstrom", "medium": "vacuum"},
            "ROWS": {"wavelength": [4000, 4001, 4002, 4003, 4005], "unit": "1e-17 erg/s/cm2/A"},
            "ARRAYS": {"wavelength": [400, 401, 402, 403, 405], "wavelengthUnit": "nm", "medium": "vacuum"},
        }, out, indent=0)


def make_arrow():
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as pq

    unit = {"unit": "erg / (s cm2 Angstrom)"}
    schema = pa.schema([
        pa.field("id", pa.int64()),
        pa.field("flux", pa.float32(), metadata=unit),
        pa.field("n", pa.int32()),
        pa.field("name", pa.string()),
        pa.field("bands", pa.list_(pa.float32(), 3)),
        pa.field("list", pa.list_(pa.float64()), metadata={"width": "2"}),
        pa.field("ushort", pa.uint16()),
        pa.field("flag", pa.bool_()),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
    ], metadata={"survey": "test"})
    data = pa.table([
        pa.array([1, 2**60 + 1, -3]), pa.array([0.1, None, 3e8], pa.float32()), pa.array([1, None, 3], pa.int32()),
        pa.array(["a", "bcd", ""]), pa.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], pa.list_(pa.float32(), 3)),
        pa.array([[1.5, 2.5], None, [3.5]], pa.list_(pa.float64())), pa.array([0, 40000, 65535], pa.uint16()),
        pa.array([True, None, False]), pa.array(["x", "y", "x"]).dictionary_encode(),
    ], names=schema.names).cast(schema)
    for codec in ["zstd", "snappy", "gzip", "none"]:
        pq.write_table(data, f"pyarrow_{codec}.parquet", compression=codec, row_group_size=2)
    pq.write_table(data, "pyarrow_v1.parquet", compression="snappy", version="1.0", data_page_version="2.0")
    feather.write_feather(data, "pyarrow.arrow", compression="uncompressed", chunksize=2)
    feather.write_feather(data, "pyarrow_lz4.arrow", compression="lz4", chunksize=2)
    columns = small_truth("erg / (s cm2 Angstrom)")
    columns["bands"] = column("float32", 3, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    columns["list"] = column("float64", 2, [1.5, 2.5, None, None, 3.5, None])
    columns["ushort"] = column("int32", 1, [0, 40000, 65535])
    columns["flag"] = column("uint8", 1, [1, None, 0])
    columns["kind"] = column("string", 1, ["x", "y", "x"])
    truth("pyarrow", columns, metadata={"survey": "test"})


def make_votable():
    """One table in the three serialisations, behind a table without rows."""
    from astropy.io.votable import tree, writeto

    fields = [
        dict(name="id", datatype="long"), dict(name="n", datatype="int"), dict(name="short", datatype="short"),
        dict(name="byte", datatype="unsignedByte"), dict(name="flag", datatype="boolean"),
        dict(name="flux", datatype="float", unit="Jy", ucd="phot.flux"), dict(name="age", datatype="double"),
        dict(name="name", datatype="char", arraysize="*"), dict(name="fixed", datatype="char", arraysize="4"),
        dict(name="greek", datatype="unicodeChar", arraysize="*"),
        dict(name="bands", datatype="float", arraysize="3"), dict(name="pairs", datatype="int", arraysize="2x2"),
        dict(name="list", datatype="double", arraysize="*"), dict(name="most", datatype="short", arraysize="3*"),
        dict(name="bits", datatype="bit", arraysize="10"), dict(name="complex", datatype="floatComplex"),
    ]
    rows = [
        (1, 5, -32768, 0, True, 0.1, 1 / 3, "plain", "abcd", "\u03b1 Cen", [1, NAN, 3], [[1, 2], [3, 4]], [1.5, 2.5],
         [7], [1, 0] * 5, 1 + 2j),
        (2**60 + 1, -99, 3, 255, False, NAN, NAN, "<&>", "x", "", [4, 5, 6], [[5, 6], [7, 8]], [], [8, 9], [0] * 10, 0),
        (-3, 7, 32767, 7, True, np.inf, -1e300, "", "", "z", [7, 8, 1e-9], [[0, -1], [2, 3]], [3.5, -4, 5],
         [1, 2, 3], [1] * 10, complex(0, -1)),
    ]
    for kind in ["tabledata", "binary", "binary2"]:
        votable = tree.VOTableFile(version="1.4")
        resource = tree.Resource()
        votable.resources.append(resource)
        resource.infos.append(tree.Info(name="survey", value="test"))
        for index, wanted in enumerate([[], rows]):
            table = tree.TableElement(votable)
            resource.tables.append(table)
            for one in fields:
                field = tree.Field(votable, **one)
                if one["name"] == "n":
                    field.values.null = -99
                    field.description = "a count, one of them missing"
                table.fields.append(field)
            table.create_arrays(len(wanted))
            for i, row in enumerate(wanted):
                for name, value in zip(table.array.dtype.names, row):
                    if table.array.dtype[name].kind == "O" and isinstance(value, list):
                        table.array[name].data[i] = np.ma.array(
                            value, mask=np.zeros(len(value), bool), dtype="i2" if name == "most" else "f8")
                    else:
                        table.array[name][i] = value
                table.array.mask[i] = tuple(value == -99 if name == "n" else np.zeros_like(table.array.mask[name][i])
                                            for name, value in zip(table.array.dtype.names, row))
            table.format = kind
        writeto(votable, f"{kind}.vot")
    n = None
    truth("votable", {
        "id": column("int64", 1, ["1", str(2**60 + 1), "-3"]), "n": column("int32", 1, [5, n, 7]),
        "short": column("int16", 1, [-32768, 3, 32767]), "byte": column("uint8", 1, [0, 255, 7]),
        "flag": column("uint8", 1, [1, 0, 1]),
        "flux": column("float32", 1, [float(np.float32(0.1)), n, "inf"], "Jy"),
        "age": column("float64", 1, [1 / 3, n, -1e300]), "name": column("string", 1, ["plain", "<&>", ""]),
        "fixed": column("string", 1, ["abcd", "x", ""]), "greek": column("string", 1, ["\u03b1 Cen", "", "z"]),
        "bands": column("float32", 3, [1, n, 3, 4, 5, 6, 7, 8, float(np.float32(1e-9))]),
        "pairs": column("int32", 4, [1, 2, 3, 4, 5, 6, 7, 8, 0, -1, 2, 3]),
        "list": column("float64", 3, [1.5, 2.5, n, n, n, n, 3.5, -4, 5]),
        "most": column("float64", 3, [7, n, n, 8, 9, n, 1, 2, 3]),
        "bits": column("uint8", 10, [1, 0] * 5 + [0] * 10 + [1] * 10),
        "complex": column("float32", 2, [1, 2, 0, 0, 0, -1]),
    }, metadata={"survey": "test"})


def make_hdf5():
    import h5py

    n = 4
    text = h5py.string_dtype()
    records = np.zeros(n, dtype=[("id", "<i8"), ("flux", ">f4", (3,)), ("name", "S4"), ("note", text), ("ok", "?"),
                                 ("z", "<c8")])
    records["id"] = [1, 2**60 + 1, -3, 0]
    records["flux"] = np.arange(12).reshape(4, 3) / 4
    records["name"] = [b"a", b"bcd", b"", b"efgh"]
    records["note"] = ["x", "\u03b1 Cen", "", "long " * 20]
    records["ok"] = [True, False, True, True]
    big = np.zeros(n, dtype=[("ra", ">f8"), ("n", ">i2"), ("tag", "S2")])
    big["ra"] = [10.5, 20.25, 30, -1]
    big["n"] = [1, -2, 3, 300]
    big["tag"] = b"t"
    with h5py.File("kinds.h5", "w") as out:
        out.attrs["survey"] = "test"
        out.attrs["depth"] = 22.5
        narrow = out.create_group("FilterJPAS")
        broad = out.create_group("MAGNITUDES")
        for name, where, values in [("J0378", narrow, [1.5, NAN, 3, 4]), ("J0390", narrow, [5, 6, 7, np.inf])]:
            data = where.create_dataset(name, data=np.array(values, "f4"))
            data.attrs["unit"] = "1e-19 erg/s/cm2/A"
        broad.create_dataset("iSDSS", data=np.array([20.0, 21, 22, 23]), chunks=(3,), compression="gzip", shuffle=True,
                             fletcher32=True).attrs["units"] = "mag"
        broad.create_dataset("J0390", data=np.array([1, 2, 3, 4], ">i4"))
        out.create_dataset("Z", data=np.array([0.1, 0.2, 0.3, 0.4], ">f8")).attrs["description"] = "redshift"
        out.create_dataset("vector", data=np.arange(8, dtype="<u2").reshape(4, 2), chunks=(2, 2), compression="gzip")
        out.create_dataset("half", data=np.array([0.5, -2, NAN, 1e-7], "f2"))
        out.create_dataset("ulong", data=np.array([0, 2**63, 2**64 - 1, 7], "u8"))
        out.create_dataset("uint", data=np.array([0, 2**31, 2**32 - 1, 7], "u4"))
        out.create_dataset("byte", data=np.array([-128, 0, 1, 127], "i1"))
        out.create_dataset("flag", data=np.array([True, False, False, True]))
        out.create_dataset("name", data=np.array(["a", "bc", "", "\u03b1"], text))
        out.create_dataset("records", data=records)
        out.create_dataset("big", data=big)
        out.create_dataset("other", data=np.arange(3))
        out.create_dataset("scalar", data=7.0)
        out["again"] = h5py.SoftLink("/nowhere")
        out["outside"] = h5py.ExternalLink("other.h5", "/x")
    flux = [float(x) for x in np.arange(12) / 4]
    truth("kinds.h5", {
        "FilterJPAS/J0390": column("float32", 1, [5, 6, 7, "inf"], "1e-19 erg/s/cm2/A"),
        "J0378": column("float32", 1, [1.5, None, 3, 4], "1e-19 erg/s/cm2/A"),
        "MAGNITUDES/J0390": column("int32", 1, [1, 2, 3, 4]),
        "iSDSS": column("float64", 1, [20, 21, 22, 23], "mag"),
        "Z": column("float64", 1, [0.1, 0.2, 0.3, 0.4]),
        "vector": column("int32", 2, list(range(8))),
        "half": column("float32", 1, [0.5, -2, None, float(np.float16(1e-7))]),
        "ulong": column("string", 1, ["0", str(2**63), str(2**64 - 1), "7"]),
        "uint": column("int64", 1, ["0", str(2**31), str(2**32 - 1), "7"]),
        "byte": column("int16", 1, [-128, 0, 1, 127]),
        "flag": column("uint8", 1, [1, 0, 0, 1]),
        "name": column("string", 1, ["a", "bc", "", "\u03b1"]),
        "id": column("int64", 1, ["1", str(2**60 + 1), "-3", "0"]),
        "flux": column("float32", 3, flux),
        "records/name": column("string", 1, ["a", "bcd", "", "efgh"]),
        "note": column("string", 1, ["x", "\u03b1 Cen", "", "long " * 20]),
        "ok": column("uint8", 1, [1, 0, 1, 1]),
        "ra": column("float64", 1, [10.5, 20.25, 30, -1]),
        "n": column("int16", 1, [1, -2, 3, 300]),
        "tag": column("string", 1, ["t"] * 4),
    }, metadata={"survey": "test", "depth": "22.5",
                 "left out": "/again, /outside, /scalar, /other, /records/z"})


def make_astropy_hdf5():
    from astropy.table import MaskedColumn, Table

    table = Table()
    table["id"] = np.array([1, 2**60 + 1, -3])
    table["flux"] = MaskedColumn(np.array([0.1, 7, 3e8], "f4"), mask=[False, True, False], description="a flux")
    table["flux"].unit = "erg / (Angstrom s cm2)"
    table["n"] = MaskedColumn(np.array([1, 2, 3], "i4"), mask=[False, True, False])
    table["name"] = ["a", "bcd", ""]
    table.write("astropy.h5", path="catalogue", serialize_meta=True, overwrite=True)
    truth("astropy.h5", small_truth("erg / (Angstrom s cm2)"))


def make_ecsv():
    """Blanks between the cells, as astropy writes it unless asked otherwise."""
    from astropy.table import MaskedColumn, Table

    table = Table(meta={"survey": "test"})
    table["id"] = np.array([1, 2**60 + 1, -3])
    table["flux"] = MaskedColumn(np.array([0.1, 7, 3e8], "f4"), mask=[False, True, False], description="a flux")
    table["flux"].unit = "erg / (Angstrom s cm2)"
    table["n"] = MaskedColumn(np.array([1, 2, 3], "i4"), mask=[False, True, False])
    table["name"] = ["a", "b c, d", ""]
    table["pair"] = np.array([[1, 2], [3, NAN], [5, 6]], "f4")
    table["good"] = [True, False, True]
    table.write("astropy.ecsv", overwrite=True)
    truth("ecsv", {
        **small_truth("erg / (Angstrom s cm2)"),
        "name": column("string", 1, ["a", "b c, d", ""]),
        "pair": column("float32", 2, [1, 2, 3, None, 5, 6]),
        "good": column("uint8", 1, [1, 0, 1]),
    })


def make_frames():
    """The photo-z challenge's way: a data frame under the key `data`, in both layouts that pandas has."""
    import pandas as pd

    frame = pd.DataFrame({
        "J0378": np.array([1.5, NAN, 3], "f4"), "MAG_NUV": [20.5, 21.0, NAN], "J0390": np.array([4, 5, 6], "f4"),
        "TYPE": ["GALAXY", "QSO", "GALAXY_OOD1"], "Z": [0.1, 0.2, 0.3], "ID": [7, 8, 9],
    }, index=[10, 11, 12])
    frame.to_hdf("frame_fixed.h5", key="data", mode="w", complevel=5)
    frame.to_hdf("frame_table.h5", key="data", mode="w", format="table", index=False, complevel=5)
    columns = {
        "index": column("int64", 1, ["10", "11", "12"]),
        "J0378": column("float32", 1, [1.5, None, 3]), "MAG_NUV": column("float64", 1, [20.5, 21, None]),
        "J0390": column("float32", 1, [4, 5, 6]), "TYPE": column("string", 1, ["GALAXY", "QSO", "GALAXY_OOD1"]),
        "Z": column("float64", 1, [0.1, 0.2, 0.3]), "ID": column("int64", 1, ["7", "8", "9"]),
    }
    truth("frames", columns)


def make_ascii():
    """Three extensions: an ASCII table as VizieR makes them, and two binary ones of which neither is the first."""
    from astropy.io import fits

    ascii_table = fits.TableHDU.from_columns([
        fits.Column("ID", "A5", array=np.array(["0012", "b", " c"])),
        fits.Column("N", "I5", null="-99", array=np.array([1, -99, 30000])),
        fits.Column("LONG", "I19", array=np.array([1, 10**18, -3])),
        fits.Column("F", "F8.3", unit="uJy", array=np.array([1.5, -2.25, 1e3])),
        fits.Column("E", "E12.5", array=np.array([1e-3, 2, -4e20])),
        fits.Column("D", "D24.15", array=np.array([1e-300, 1 / 3, 0])),
    ], name="ASCII")
    few = fits.BinTableHDU.from_columns([fits.Column("object_id", "K", array=[1, 2]),
                                         fits.Column("z", "E", array=[0.1, 0.2])], name="FEW")
    most = fits.BinTableHDU.from_columns([
        fits.Column("object_id", "K", array=[7, 2**60 + 1]), fits.Column("z", "E", array=[0.3, 0.4]),
        fits.Column("J0500", "E", unit="uJy", array=[20, 21]), fits.Column("J0500_err", "E", unit="uJy", array=[1, 2]),
    ], name="MOST")
    fits.HDUList([fits.PrimaryHDU(), ascii_table, few, most]).writeto("tables.fits", overwrite=True)
    truth("tables", {
        "ID": column("string", 1, ["0012", "b", " c"]), "N": column("int32", 1, [1, None, 30000]),
        "LONG": column("string", 1, ["1", str(10**18), "-3"]),
        "F": column("float64", 1, [1.5, -2.25, 1000], "uJy"), "E": column("float64", 1, [1e-3, 2, -4e20]),
        "D": column("float64", 1, [1e-300, float("%.15e" % (1 / 3)), 0]),
    })


def make_plain():
    """What astropy and numpy write without being told anything, and TOPCAT's kin read."""
    from astropy.table import Table

    table = Table({"object_id": ["0012", "b c"], "J0500": [20.0, 21.0]}, units={"J0500": "uJy"})
    table.write("nometa.ecsv", overwrite=True)
    np.savetxt("savetxt.csv", [[1, 20.5, np.nan], [2, -21, 0.25]], header="made by numpy\nobject_id J0500 J0500_err")
    truth("savetxt", {"object_id": column("float64", 1, [1, 2]), "J0500": column("float64", 1, [20.5, -21]),
                      "J0500_err": column("float64", 1, [None, 0.25])})


def make_identifiers():
    """Whole numbers and bytes that a double or UTF-8 would make one of, in the encodings that pyarrow has for them."""
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as pq

    long = ["90071992547409930001", "90071992547409930002", None]
    data = pa.table({
        "uint": pa.array([0, 2**63, 2**64 - 1], pa.uint64()),
        "text": pa.array(["2M0012+0034", "2M0012+0035", None]),
        "fixed": pa.array([b"id1\0", b"id22", b"\xff\xfe\x00\x01"], pa.binary(4)),
        "bytes": pa.array([b"a", b"\xff", b"\xfe"]),
    })
    feather.write_feather(data, "identifiers.arrow", compression="uncompressed")
    from decimal import Decimal
    data = data.append_column("decimal", pa.array([None if x is None else Decimal(x) for x in long],
                                                  pa.decimal128(38, 0)))
    pq.write_table(data, "identifiers.parquet")
    encodings = {"uint": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY", "fixed": "DELTA_BYTE_ARRAY",
                 "bytes": "DELTA_LENGTH_BYTE_ARRAY"}
    for version in ["1.0", "2.0"]:
        pq.write_table(data, f"identifiers_delta{version[0]}.parquet", use_dictionary=False, compression="zstd",
                       column_encoding=encodings, data_page_version=version)
    truth("identifiers", {
        "uint": column("string", 1, ["0", str(2**63), str(2**64 - 1)]),
        "text": column("string", 1, ["2M0012+0034", "2M0012+0035", None]),
        "fixed": column("string", 1, ["id1", "id22", "0xfffe0001"]),
        "bytes": column("string", 1, ["a", "0xff", "0xfe"]),
        "decimal": column("string", 1, long),
    })


if __name__ == "__main__":
    makers = {"fits": make_fits, "spectra": make_spectra, "votable": make_votable, "arrow": make_arrow,
              "hdf5": make_hdf5, "astropy_hdf5": make_astropy_hdf5, "frames": make_frames,
              "ecsv": make_ecsv, "ascii": make_ascii, "plain": make_plain, "identifiers": make_identifiers}
    makers[sys.argv[1]]()
